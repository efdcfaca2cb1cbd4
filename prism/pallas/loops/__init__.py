"""Compiled mode's source: a kernel's jaxpr and its grid, written as loops over elements for Numba."""
