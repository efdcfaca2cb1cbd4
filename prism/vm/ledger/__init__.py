"""The ledger: an append-only store in which equal nodes have equal ids.

A node is `(op, a, b)`, packed into one integer key; its id is its row. `key` packs, `host` and `device` are the two
engines behind `api.Ledger`, `table` serves evaluators that intern inside their own loop, and `verify` lists what is
wrong with a store. Identity is the full key: a hash only finds
the candidates that are then compared [LEDGER-1].
"""
