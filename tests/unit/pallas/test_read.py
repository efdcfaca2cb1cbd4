"""The door: what is read of a jaxpr, and that nothing behind it sees JAX's objects."""

from __future__ import annotations

import ast
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

import prism.pallas
from prism.pallas import debug
from prism.pallas.access import Load, Store
from prism.pallas.control import Control, Inline, Loop
from prism.pallas.decode import STATE_PRIMITIVES
from prism.pallas.kernel import Kernel, Var, equations_in, primitives_in
from prism.pallas.numba_source import equations
from prism.pallas.numpy_source import statements
from prism.pallas.primitives.table import TABLE
from prism.pallas.read import CONTROL, _Reader, read, read_call

pytestmark = pytest.mark.m6

PACKAGE = Path(prism.pallas.__file__).parent
SHAPE = jax.ShapeDtypeStruct((4,), np.float32)


def _branching(x_ref, o_ref, s_ref):
    """Both conditions are known when the kernel is traced."""

    @pl.when(True)
    def _():
        s_ref[...] = x_ref[...]

    o_ref[...] = jax.lax.cond(True, lambda: s_ref[...] * 2, lambda: s_ref[...])


BRANCHING = pl.pallas_call(_branching, out_shape=SHAPE, scratch_shapes=[pltpu.VMEM((4,), np.float32)])


def _call_of(function, *args):
    """Return the one Pallas call of a function as it is read."""
    (equation,) = jax.make_jaxpr(function)(*args).eqns
    return read_call(equation.params)


def test_the_door_is_four_files() -> None:
    """Whoever needs JAX's own data structures is named here; all others work on records."""
    users = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                users |= {path.name} if "prism.pallas.compat" in names else set()
    assert users == {"decode.py", "hooks.py", "lowering.py", "read.py"}


def _objects(value, seen):
    """Yield all that records, tuples and mappings hold."""
    if id(value) in seen:
        return
    seen.add(id(value))
    yield value
    parts = [getattr(value, f.name) for f in fields(value)] if is_dataclass(value) else ()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else parts
    for part in parts:
        yield from _objects(part, seen)


def test_no_record_holds_an_object_of_jax() -> None:
    """A call with branches, a loop, a nested call and a print is read into numbers, texts, types and functions."""

    def kernel(x_ref, o_ref):
        jax.debug.print("{}", x_ref[0])
        total = jax.lax.fori_loop(0, 3, lambda k, t: t + x_ref[k], jnp.float32(0))
        o_ref[...] = jax.jit(jnp.tanh)(jnp.where(total > 1, x_ref[...], total))

    call = _call_of(pl.pallas_call(kernel, out_shape=SHAPE), np.ones(4, np.float32))
    kinds = {type(value) for value in _objects(call.kernel, set())}
    assert Kernel in kinds
    assert not {kind for kind in kinds if kind.__module__.split(".")[0] in ("jax", "jaxlib")}


def test_a_kernel_is_its_equations_in_order() -> None:
    """Accesses are decoded, literals typed, and lines those of the source."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...] * 2.0

    read = _call_of(pl.pallas_call(kernel, out_shape=SHAPE), np.ones(4, np.float32)).kernel
    load, product, store = read.equations
    assert [e.name for e in read.equations] == ["get", "mul", "swap"]
    assert isinstance(load.access, Load)
    assert isinstance(store.access, Store)
    assert store.access.value.position == 1
    assert [v.space for v in read.ins] == ["own", "own"]
    assert (load.ins[0], product.ins[0], store.ins) == (read.ins[0], load.outs[0], (read.ins[1], product.outs[0]))
    two = product.ins[1]
    assert not isinstance(two, Var)
    assert (two.value, two.dtype) == (np.float32(2), np.float32)
    assert {(Path(e.site.file).name, e.site.function.split(".")[-1]) for e in read.equations} == {
        ("test_read.py", "kernel")
    }


def test_what_a_scope_encloses_is_its_first_input() -> None:
    """References of the body around it, which JAX keeps as constants with values of its own, and then its scratch."""

    def kernel(x_ref, o_ref):
        pl.run_scoped(lambda s_ref: o_ref.__setitem__(..., x_ref[...] + s_ref[...]), pltpu.VMEM((4,), np.float32))

    read = _call_of(pl.pallas_call(kernel, out_shape=SHAPE), np.ones(4, np.float32)).kernel
    (scope,) = read.equations[-1].inner
    assert {outer for _, outer in scope.pairs} == set(read.ins)
    assert len(scope.kernel.ins) == 3
    held = type("Held", (), {"jaxpr": _jaxpr_of(lambda v: v), "consts": (object(),)})()
    assert _Reader(outside=False).kernel(held, encloses=True).consts == ()


def _jaxpr_of(function):
    """Return the open jaxpr of a function of one number."""
    closed = jax.make_jaxpr(function)(1.0)
    return getattr(closed, "jaxpr", closed)


def test_inner_kernels_know_their_outer_operands() -> None:
    """A loop's body and test name what they get from outside; what is called twice is one kernel."""

    def function(x):
        twice = jax.jit(lambda v: v + v)
        return jax.lax.while_loop(lambda c: c < x, lambda c: twice(twice(c)), jnp.float32(1))

    kernel = read(jax.make_jaxpr(function)(np.float32(8)), outside=True)
    (loop,) = kernel.equations
    test, body = loop.inner
    assert test.inside(kernel.ins[0]) is test.kernel.ins[0]
    assert body.inside(kernel.ins[0]) is None
    assert loop.control == Loop(body=0, carry=1, test=1)
    calls = [e for e in equations_in(body.kernel) if e.control == Inline()]
    assert len({call.inner[0].kernel for call in calls}) == 1
    assert list(primitives_in(kernel)) == ["while", "lt", "add", "add"]


@pytest.mark.clause("PALLAS-1")
@pytest.mark.parametrize("mode", ["debug", "fast", "compiled"])
def test_a_branch_may_be_chosen_by_a_literal(mode) -> None:
    """In a kernel that reads memory which is unwritten at first, too."""
    np.testing.assert_array_equal(prism.pallas.run(BRANCHING, mode=mode)(np.ones(4, np.float32)), np.full(4, 2.0))


def test_little_is_untyped() -> None:
    """`Any` stands for what has no type, and few lines need it: fewer than a hundred places in the package."""
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    assert sum(len(re.findall(r"\bAny\b", text)) for text in texts) < 100


def test_the_modes_have_one_vocabulary() -> None:
    """What a source writer knows of control debug mode knows too, and none of it is a row of the table."""
    records = set(get_args(Control))
    assert set(debug._CONTROL) == records
    assert set(statements._CONTROL) <= records
    assert set(equations._CONTROL) <= records
    assert not set(CONTROL) & set(TABLE)
    assert not (set(CONTROL) | set(TABLE)) & STATE_PRIMITIVES
