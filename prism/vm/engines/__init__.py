"""Engines that bring terms to normal form, behind one protocol."""
