"""The machine: hash-consed term graphs, rewritten to normal form by any of several engines."""
