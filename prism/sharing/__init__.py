"""Sharing: common subexpressions of other people's expressions, found by interning nodes under their full keys.

`cse` takes SymPy expressions or a jaxpr, `expressions` and `jaxprs` do the work for each.
"""
