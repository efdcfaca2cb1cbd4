"""prism.vm.theory.complete: equations become convergent rules, the same ones every time."""

from __future__ import annotations

import pytest

from prism.errors import UsageError
from prism.vm.engines.patterns import normal_patterns
from prism.vm.theory.check import Outcome, check
from prism.vm.theory.complete import complete
from prism.vm.theory.critical import renamed
from prism.vm.theory.library import load
from prism.vm.theory.read import read_theory
from prism.vm.theory.rule import Rule, variables
from prism.vm.theory.show import written_theory
from prism.vm.theory.unify import is_instance

pytestmark = [pytest.mark.m7, pytest.mark.clause("THEORY-8")]

_OPS = "(theory t) (op e 0) (op i 1) (op m 2) (op f 1) (op g 1) (op a 0) (op b 0) (op c 0) (var x y z) "
_ASSOCIATE = "(equation assoc (m (m x y) z) (m x (m y z))) "
GROUP = _OPS + _ASSOCIATE + "(equation unit (m e x) x) (equation inverse (m (i x) x) e)"


def read(text: str):
    """Return the theory in a text."""
    return read_theory(text.encode(), "t.theory")


def same_up_to_names(one: Rule, two: Rule) -> bool:
    """Whether two rules are instances of one another."""
    first, second = renamed(one, "1"), renamed(two, "2")
    pair_one, pair_two = ("pair", first.lhs, first.rhs), ("pair", second.lhs, second.rhs)
    none = frozenset[str]()
    return (
        len(variables(one.lhs)) == len(variables(two.lhs))
        and is_instance(pair_one, pair_two, none)
        and is_instance(pair_two, pair_one, none)
    )


def test_the_group_axioms_give_the_ten_rules() -> None:
    """The three axioms of groups complete to the ten rules of Knuth and Bendix, up to the names of variables."""
    done = complete(read(GROUP), normal_patterns)
    assert done.is_done
    assert len(done.theory.rules) == 10
    known = list(load("group").rules)
    assert all(any(same_up_to_names(rule, other) for other in known) for rule in done.theory.rules)
    assert complete(read(GROUP), normal_patterns).theory == done.theory


@pytest.mark.parametrize(
    ("name", "text", "n_rules"),
    [
        ("right group", _OPS + _ASSOCIATE + "(equation unit (m x e) x) (equation inverse (m x (i x)) e)", 10),
        ("central groupoid", _OPS + "(equation central (m (m x y) (m y z)) y)", 3),
        ("two unary ops", _OPS + "(equation one (f (f x)) (g x))", 2),
        ("ground", _OPS + "(equation one (f a) b) (equation two a c) (equation three (f c) e)", 3),
        ("S3 as words", _OPS + "(equation one (f (f x)) x) (equation two (g (g x)) x) "
         "(equation three (f (g (f x))) (g (f (g x))))", 3),
        ("five and three", _OPS + "(equation one (f (f (f (f (f x))))) x) (equation two (f (f (f x))) x)", 1),
    ],
)  # fmt: skip
def test_classical_systems_complete(name: str, text: str, n_rules: int) -> None:
    """Each gives as many rules as it is known to, which the checker finds convergent."""
    done = complete(read(text), normal_patterns)
    assert done.is_done, (name, done.reason)
    assert len(done.theory.rules) == n_rules, [rule.name for rule in done.theory.rules]
    verdicts = check(done.theory, normal_patterns)
    assert [verdict.outcome for verdict in verdicts[:2]] == [Outcome.SHOWN, Outcome.SHOWN]


def test_a_bound_leaves_what_can_be_completed_further() -> None:
    """Stopped early, the rules and equations so far print as a file from which completion reaches the same rules."""
    part = complete(read(GROUP), normal_patterns, max_equations=12)
    assert not part.is_done
    assert "a bound was reached" in part.reason
    assert part.theory.equations
    seen: list[tuple[int, int, int]] = []
    done = complete(read(written_theory(part.theory)), normal_patterns, report=lambda *now: seen.append(now))
    assert done.is_done
    assert len(done.theory.rules) == 10
    assert seen[0][0] == 0
    assert len(seen) > 5


def test_an_equation_that_no_order_orients_stops_it() -> None:
    """Commutativity is left as an equation, and named."""
    done = complete(read(_OPS + "(equation commute (m x y) (m y x)) (equation unit (m e x) x)"), normal_patterns)
    assert not done.is_done
    assert "no order was found that orients (m " in done.reason
    assert [rule.name for rule in done.theory.rules] == ["unit"]


def test_what_completion_does_not_treat_is_refused() -> None:
    """Guards and literals are no equations; an equation without end is refused."""
    with pytest.raises(UsageError, match="must be without guards and literals to be completed"):
        complete(load("calculus"), normal_patterns)
    with pytest.raises(UsageError, match="a side of an equation must reach its normal form"):
        complete(read(_OPS + "(equation one (f x) a)"), lambda _theory, patterns, _steps: [None] * len(patterns))
