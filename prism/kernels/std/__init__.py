"""The standard kernels, written as kernels, each beside its NumPy reference."""
