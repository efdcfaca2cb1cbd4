"""Normalise from Python: one session, whose later programs reuse what earlier ones built."""

from prism.term.parse import read_text
from prism.term.show import show_terms
from prism.vm.api import Limits
from prism.vm.engines import open_engine

engine = open_engine("ledger", Limits(max_steps=1_000_000))
for text in ("(mul 6 7)", "(add (mul 6 7) 8)"):
    outcome = engine.normalise(read_text(text).graph)
    print(*show_terms(outcome.result, as_numerals=True), outcome.report(0))
