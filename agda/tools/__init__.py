"""The tie between proofs and code: generated tables, statement hashes, the model, mutants, the container."""
