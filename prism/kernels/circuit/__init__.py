"""Circuits: their language, the 96 classes that they name, their meaning, their canonical forms and their lowering."""
