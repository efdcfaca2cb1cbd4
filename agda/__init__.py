"""The proofs, and the Python that ties them to the code; the PyPI package of this name is only ever run as a program."""
