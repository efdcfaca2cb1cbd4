"""Fast mode's source: a kernel's jaxpr and its grid, written as NumPy."""
