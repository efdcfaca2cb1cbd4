"""JAX's own Pallas tests through prism.pallas, next to a stock run of the same tests."""
