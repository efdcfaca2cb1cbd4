"""Theories: a signature and rules as data, from a file or from objects, and what can be shown of them.

`shipped.load` finds a theory, `read` reads a file, `model` holds what was read, `encode` turns its terms into nodes
of at most two operands, `automaton` compiles its rules, `critical`, `order` and `cover` look for witnesses.
"""
