"""Normalise from Python: one session, whose later programs reuse what earlier ones built."""

from prism.vm.engines.api import Limits
from prism.vm.engines.table import open_engine
from prism.vm.term.parse import read_text
from prism.vm.term.show import show_terms

engine = open_engine("ledger", Limits(max_steps=1_000_000))
for text in ("(mul 6 7)", "(add (mul 6 7) 8)"):
    outcome = engine.normalise(read_text(text).graph)
    print(*show_terms(outcome.result, as_numerals=True), outcome.report(0))
