"""THE rule table of the term language: the rules of the built-in theory."""

from __future__ import annotations

from typing import Final

from prism.vm.theory.library import load
from prism.vm.theory.rule import Rule

RULES: Final[tuple[Rule, ...]] = load("peano").rules
"""Addition and multiplication of Peano numerals."""
