"""A chip that this machine does not have: its facts, what JAX is told about it, and what its compiler would refuse."""
