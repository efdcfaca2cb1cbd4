"""The tie between the proofs and the Python code: generated tables, statement hashes, the model, mutants, the container."""
