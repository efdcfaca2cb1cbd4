"""Text <-> terms, and what a term means.

`parse` reads programs, `show` prints terms, `denote` is the living definition of their value. Everything here is
iterative: depth is bounded by memory, never by the interpreter's stack.
"""
