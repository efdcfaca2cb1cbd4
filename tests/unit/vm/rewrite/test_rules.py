"""prism.vm.rewrite.rules: a rule that means nothing is refused when it is made."""

from __future__ import annotations

import pytest

from prism.errors import UsageError
from prism.vm.rewrite.rules import RULES
from prism.vm.theory.library import load
from prism.vm.theory.rule import Rule, variables

pytestmark = pytest.mark.m1


def test_a_variable_on_the_right_must_be_bound() -> None:
    """A right side may only use what the left side has matched."""
    with pytest.raises(UsageError, match=r"every variable on the right must occur on the left, but \['y'\] do not"):
        load("peano").with_rules([Rule("loose", ("suc", "x"), ("add", "x", "y"), "REWRITE-1")])


@pytest.mark.parametrize("pattern", [("add", "x"), ("sub", "x", "y"), ("suc", ("zero", "x"))])
def test_a_pattern_must_respect_the_table_of_ops(pattern: tuple) -> None:
    """A pattern applies ops of the table to as many operands as they take, at any depth."""
    with pytest.raises(UsageError, match=r"a pattern must apply an op of the op table to its arity of operands"):
        load("peano").with_rules([Rule("odd", pattern, "x", "REWRITE-1")])


def test_each_rule_binds_all_that_it_uses() -> None:
    """The rules of the table have distinct names and unbound variables nowhere."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(variables(rule.rhs) <= variables(rule.lhs) for rule in RULES)
