"""Boolean circuits: and-inverter graphs, read from and written to AIGER, hashed on the ledger, simplified, compared.

`circuit` holds what a circuit is, `read` and `write` its two file forms, `strash` makes it canonical, `batches` does
so through any ledger engine, `rules` are the two-level rules of simplification, `simulate` evaluates 64 patterns a
word, and `same` compares two circuits.
"""
