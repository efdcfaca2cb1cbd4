"""Compiled mode's source: a kernel and its grid, written as loops over elements for Numba."""
