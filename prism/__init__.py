"""Prism: a small verified core for accelerator programs, on JAX."""
