"""The proofs and their tie to the Python code; the PyPI package of this name is only ever run as a program."""
