"""Compiled kernels on disk, found by their full content: program, types, back end and versions."""
