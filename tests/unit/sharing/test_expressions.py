from __future__ import annotations

import subprocess
import sys

import pytest
import sympy
from sympy import Integral, Matrix, MatrixSymbol, Piecewise, cos, sin, sqrt, symbols

from prism import cse
from prism.errors import PrismError, UsageError

pytestmark = [pytest.mark.m7, pytest.mark.clause("CSE-2")]

x, y, z = symbols("x y z")
x0, x1 = symbols("x0 x1")


def test_lists_and_single_expressions() -> None:
    """A list gives one reduced expression each, a single one a list of one; what is an output and a part is named."""
    assert cse([sin(x + y) + cos(x + y), (x + y) ** 2, x + y]) == ([(x0, x + y)], [sin(x0) + cos(x0), x0**2, x0])
    assert cse(sqrt(x + y) + sin(sqrt(x + y))) == ([(x0, sqrt(x + y))], [x0 + sin(x0)])
    assert cse([x, 3, 0.5]) == ([], [x, sympy.Integer(3), sympy.Float(0.5)])
    assert cse([]) == ([], [])


def test_matrices_keep_their_shape() -> None:
    """Entries are reduced in place; kind and shape stay."""
    given = sympy.ImmutableMatrix([[x + y, (x + y) ** 2], [0, z]])
    replacements, (reduced,) = cse(given)
    assert replacements == [(x0, x + y)]
    assert reduced == sympy.ImmutableMatrix([[x0, x0**2], [0, z]])
    assert isinstance(cse([Matrix([[x]])])[1][0], type(Matrix([[x]])))


def test_names_are_of_the_shape_of_what_they_stand_for() -> None:
    """A repeated matrix is named by a matrix symbol, a repeated product that does not commute by such a symbol."""
    a, b = MatrixSymbol("A", 2, 3), MatrixSymbol("B", 3, 2)
    replacements, (reduced,) = cse(sympy.MatAdd(a * b, sympy.Transpose(a * b)))
    name = replacements[0][0]
    assert (name.shape, reduced) == ((2, 2), sympy.MatAdd(name, sympy.Transpose(name)))
    p, q = symbols("p q", commutative=False)
    (name, product), *_ = cse([sympy.Pow(p * q, 2), sin(p * q)])[0]
    assert (product, name.is_commutative) == (p * q, False)


def test_what_binds_a_name_stays_whole() -> None:
    """No part of an integral, a sum or a derivative is named, for it means nothing outside; the whole may be."""
    integral = Integral((x + y) ** 2, (x, 0, 1))
    assert cse([integral, (x + y) ** 2, x + y]) == ([(x0, x + y)], [integral, x0**2, x0])
    assert cse([integral + 1, sin(integral)]) == ([(x0, integral)], [x0 + 1, sin(x0)])
    derivative = sympy.Derivative(sympy.Function("f")(x + y), x)
    assert cse([derivative, x + y, sin(x + y)])[1][0] == derivative


def test_conditions_are_named_too() -> None:
    """A condition that decides twice is named; numbers of unlike kinds are not taken for one another."""
    condition = x + y > 0
    replacements, _ = cse([Piecewise((x, condition), (y, True)), Piecewise((y, condition), (z, True))])
    assert replacements == [(x0, condition)]
    assert cse([sin(sympy.Integer(1) + x), sin(sympy.Float(1) + x)])[0] == []


def test_a_prefix_skips_names_in_use() -> None:
    """Names that the expressions use are passed over, inside what stays whole too."""
    used = symbols("t1")
    found = cse([sin(x + y), cos(x + y), sin(x * z), cos(x * z), Integral(used, (x, 0, 1))], prefix="t")[0]
    assert [str(name) for name, _ in found] == ["t0", "t2"]


def test_depth_is_no_limit() -> None:
    """A chain of 20,000 sums, each used twice, is reduced; unfolded it would have 2^20000 parts."""
    node = x
    for _ in range(20_000):
        node = sympy.Add(node, node, evaluate=False)
    replacements, _ = cse(node)
    assert len(replacements) == 19_999


@pytest.mark.clause("CSE-1")
@pytest.mark.parametrize("given", ["x + y", [object()], [None]])
def test_other_things_are_refused(given: object) -> None:
    """Texts and strangers are refused by the name of their class."""
    with pytest.raises(UsageError, match="cse takes SymPy expressions, matrices of them or a jaxpr, got"):
        cse(given)


_WITHOUT = """
import sys
sys.modules["sympy"] = None
import prism
try:
    prism.cse([1])
except prism.errors.PrismError as error:
    print(error)
"""


@pytest.mark.clause("CSE-1")
def test_sympy_is_only_needed_for_its_expressions() -> None:
    """Importing Prism imports neither SymPy nor JAX; without SymPy the refusal says what to install."""
    done = subprocess.run([sys.executable, "-c", _WITHOUT], capture_output=True, text=True, check=True)
    assert "cse of expressions must find SymPy, but it is not installed; install prism-vm[bench]" in done.stdout
    assert issubclass(UsageError, PrismError)
    code = "import sys, prism; print({'sympy', 'jax', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
