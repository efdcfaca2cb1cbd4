"""The primitives that compute a value: their NumPy forms by family, and THE table of all forms in `table`."""
