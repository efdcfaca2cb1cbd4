"""Fast mode's source: a kernel and its grid, written as NumPy."""
