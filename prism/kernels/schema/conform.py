"""Conformance of the front end: areas frontend, schema and classify, answered by kernels of this project's own text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from prism.conform import Case, Check, Deviation, Mismatch, require_equal
from prism.errors import ParseError, UsageError
from prism.kernels.schema.classify import Kind, classify
from prism.kernels.schema.codec import RECORDS, loads
from prism.kernels.schema.inference import schema_of
from prism.kernels.schema.records import Evaluate, If, Kernel, walk
from prism.kernels.schema.source import definitions_of

_HEAD: Final = "from prism import *\n@kernel\ndef {name}({params}):\n    i = get_global_id()\n    if i < n:\n"
_ONE, _TWO = "a: DeviceArray[f32], c: DeviceArray[f32], n: u32", "a: DeviceArray[f32], b: DeviceArray[f32], "
_MATRICES: Final = "a: DeviceArray[f32], b: DeviceArray[f32], c: DeviceArray[f32], n: u32, m: u32"
_SUM: Final = "s = 0.0\nfor k in range({stop}):\n    s += {value}\n"
_KERNELS: Final[Mapping[str, tuple[str, str]]] = {
    **{name: (_ONE, f"c[i] = {name}(a[i])") for name in ("sigmoid", "exp", "sin", "cos", "tanh")},
    "relu": (_ONE, "x = a[i]\nif x > 0:\n    c[i] = x\nelse:\n    c[i] = 0.0"),
    "vector_add": (_TWO + _ONE.removeprefix("a: DeviceArray[f32], "), "c[i] = a[i] + b[i]"),
    "vector_sub": (_TWO + _ONE.removeprefix("a: DeviceArray[f32], "), "c[i] = a[i] - b[i]"),
    "vector_sum": (_ONE, "atomic_add(c, 0, a[i])"),
    "vector_dot": (_TWO + _ONE.removeprefix("a: DeviceArray[f32], "), "atomic_add(c, 0, a[i] * b[i])"),
    "gemm": (_MATRICES, _SUM.format(stop="m", value="a[(i // m) * m + k] * b[k * m + i % m]") + "c[i] = s"),
    "matmul": (_MATRICES, _SUM.format(stop="m", value="a[(i // m) * m + k] * b[k * m + i % m]") + "c[i] = s"),
    "softmax": (_ONE, _SUM.format(stop="n", value="exp(a[k])") + "c[i] = exp(a[i]) / s"),
    "logsumexp": (_ONE, _SUM.format(stop="n", value="exp(a[k])") + "c[0] = log(s)"),
    "padding": (_ONE, "c[i] = a[i - 1] if i > 0 else 0.0"),
    "constraint_solve": (_ONE, "j = u32(a[i])\nwhile j < n and a[j] > 0:\n    j += 1\nc[i] = f32(j)"),
    "optimal_path": (
        _ONE,
        "j = i\nfor t in range(8):\n    if a[j] < 0:\n        continue\n    j = u32(a[j])\nc[i] = f32(j)",
    ),
}
"""Parameters and body of the kernels that the cases name, written here from what each is said to compute."""
_UPSTREAM: Final = {
    "UnaryElementwise": (Kind.ELEMENT_WISE, 1),
    "BinaryElementwise": (Kind.ELEMENT_WISE, 2),
    "Reduction": (Kind.REDUCTION, 0),
    "MatrixOp": (Kind.MATRIX, 0),
    "Complex": (Kind.GENERAL, 0),
}
_BY_BODY: Final = {
    "matmul": Kind.MATRIX,
    "softmax": Kind.GENERAL,
    "padding": Kind.GENERAL,
    "logsumexp": Kind.REDUCTION,
}
"""What kernels are that the original classifies by a part of their names, and wrongly."""


def compiled(params: str, body: str, name: str = "k") -> Kernel:
    """Return the records of a kernel with a guarded body."""
    lines = "".join(f"        {line}\n" for line in body.split("\n"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "case.py"
        path.write_text(_HEAD.format(name=name, params=params) + lines, encoding="utf-8")
        return schema_of(definitions_of(path)[name], {})


def _classify(case: Case) -> None:
    name = case.data["input"]["kernel"]
    found = classify(compiled(*_KERNELS[name]))
    kind, arity = _UPSTREAM[case.data["expected"]]
    require_equal(kind.value, found.kind.value, "kind")
    if arity:
        require_equal(arity, len(found.reads), "arrays read")


def _by_body(case: Case) -> None:
    name = case.data["input"]["kernel"]
    require_equal(_BY_BODY[name].value, classify(compiled(*_KERNELS[name])).kind.value, "kind")


def _schema(case: Case) -> None:
    version = case.data["input"]["version"]
    try:
        loads(f'{{"version": "{version}", "kernel": {{"name": "k", "params": [], "body": []}}}}')
    except UsageError as error:
        if "version" in str(error):
            return
        raise
    raise Mismatch(f"version {version} must be refused, and is read")


_FILES: Final = {
    "vector/add.py": "vector_add",
    "vector/sum.py": "vector_sum",
    "matrix/gemm.py": "gemm",
    "vector/relu.py": "relu",
    "quantum/quantum_search.py": "constraint_solve",
    "quantum/optimal_path.py": "optimal_path",
}
_SNIPPETS: Final[Mapping[str, str]] = {
    "a and b": "if a[i] > 0 and a[i] < 1:\n    c[i] = 1.0",
    "x ** 2": "c[i] = a[i] ** 2",
    "x // 2": "c[i] = f32(i // 2)",
    "while cond: ...": "j = i\nwhile j > 0:\n    j = j // 2\nc[i] = f32(j)",
    "break / continue / pass": "for k in range(3):\n    if k == 1:\n        continue\n    break\npass",
    "f(x)": "atomic_add(c, 0, a[i])",
    "x if c else y": "c[i] = a[i] if a[i] > 0 else 0.0",
    "a[i] += v": "a[i] += 1.0",
}
"""What the original refuses or drops and this language has, in a body."""
_REFUSED: Final[Mapping[str, str]] = {"a, b = f()": "x, y = exp(a[i])", "m.f(x)": "c[i] = math.sqrt(a[i])"}
"""What both refuse, or the original drops and this language refuses."""


def _frontend(case: Case) -> None:
    given, expected = case.data["input"], case.data["expected"]
    if given.get("kernel") == "vector/add.py":
        kernel = compiled(*_KERNELS["vector_add"], "vector_add")
        params = [[one.name, "device_array" if one.rank else "scalar", one.element] for one in kernel.params]
        require_equal(expected["params"], params, "params")
        require_equal(expected["body_kinds"], [RECORDS[type(one)][0] for one in kernel.body], "body_kinds")
        guard = kernel.body[1]
        assert isinstance(guard, If)
        require_equal(expected["then"], [RECORDS[type(one)][0] for one in guard.then], "then")
        require_equal(expected["name"], kernel.name, "name")
    elif given.get("kernel") == "vector/relu.py":
        kernel = compiled(*_KERNELS["relu"], "relu")
        guard = kernel.body[1]
        assert isinstance(guard, If)
        require_equal(expected["then_kinds"], [RECORDS[type(one)][0] for one in guard.then], "then_kinds")
        inner = guard.then[1]
        require_equal(expected["inner_else_present"], isinstance(inner, If) and bool(inner.other), "inner else")
    elif given.get("python") == "m.f(x)":
        _refuses("m.f(x)")
    elif given.get("python") == "a[i] += v":
        records = list(walk(*compiled(_ONE, _SNIPPETS["a[i] += v"]).body))
        require_equal(1, sum(getattr(one, "op", "") == "add" for one in records), "sums")
    else:
        raise Mismatch(f"no kernel answers for {given}")


def _refuses(snippet: str) -> None:
    try:
        compiled(_ONE, _REFUSED[snippet])
    except ParseError:
        return
    raise Mismatch(f"{snippet} must be refused with its place, and is read")


def _says_more(case: Case) -> None:
    """Answer for what the original drops, garbles or refuses: it has its effect, or is refused at its place."""
    given = case.data["input"]
    snippet = given.get("python")
    if snippet in _REFUSED:
        _refuses(snippet)
        return
    kernel = compiled(_ONE, _SNIPPETS[snippet]) if snippet else compiled(*_KERNELS[_FILES[given["kernel"]]])
    if given.get("kernel") == "vector/sum.py" and not any(isinstance(one, Evaluate) for one in walk(*kernel.body)):
        raise Mismatch("the atomic must be in the body, and is not")


def _is_answered_otherwise(case: Case) -> bool:
    given: Mapping[str, Any] = case.data["input"]
    same = ("vector/add.py", "vector/relu.py", "m.f(x)", "a[i] += v")
    return case.area == "frontend" and given.get("kernel", given.get("python")) not in same


CHECKS: Final[Mapping[str, Check]] = {"classify": _classify, "schema": _schema, "frontend": _frontend}
"""A check for each area that the front end answers for."""
DEVIATIONS: Final = (
    Deviation(
        "the original classifies by a part of a kernel's name; here the data flow of the body decides",
        "KERNELS-12",
        lambda case: case.area == "classify" and case.data["input"]["kernel"] in _BY_BODY,
        _by_body,
    ),
    Deviation(
        "the original drops, garbles or refuses a construct that this language has, or compiles imported functions too",
        "KERNELS-1",
        _is_answered_otherwise,
        _says_more,
    ),
)
"""Where the front end answers otherwise, by rule."""
