"""From a typed kernel to a circuit, for kernels whose operations circuits have; others go straight to instructions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prism.errors import UsageError
from prism.kernels.circuit.generators import MERGES
from prism.kernels.isa.program import CLASSES
from prism.kernels.schema.classify import Classification, Kind, classify
from prism.kernels.schema.records import BinaryOp, Call, Expr, Index, Kernel, Literal, walk

_UNARY: Final = frozenset(one.name for one in MERGES if one.arity == 1) - {"gelu", "relu"}
_BINARY: Final = {
    "add": "merge.add",
    "mul": "merge.mul",
    "min": "merge.min",
    "max": "merge.max",
    "sub": "split.sub",
    "div": "split.div",
}
_REDUCED: Final = {"add": "sum", "min": "min", "max": "max"}


def circuit_of(kernel: Kernel) -> str:
    """Return the circuit of a typed kernel: its arrays are classes 0, 1 and so on, in the order of its parameters.

    UsageError for a kernel that circuits do not express: general and matrix kernels, constants, choices.
    """
    found = classify(kernel)
    arrays = [one.name for one in kernel.params if one.rank]
    work = _Circuit(kernel.name, {name: number for number, name in enumerate(arrays)})
    if found.kind is Kind.ELEMENT_WISE and found.value is not None:
        return work.element_wise(found.value, found.writes[0])
    if found.kind is Kind.REDUCTION and _is_plain(kernel, found):
        return f"reduce.{_REDUCED[found.op]}@{work.name(found.reads[0])}->{work.name(found.writes[0])}"
    raise work.refusal(f"a kernel that is {found.kind.value}")


def _is_plain(kernel: Kernel, found: Classification) -> bool:
    """Tell whether a reduction gathers the elements of one array as they are."""
    read = [one for one in found.reads if one not in found.writes]
    if found.op not in _REDUCED or len(read) != 1 or len(found.writes) != 1:
        return False
    parents = [one for one in walk(*kernel.body) if isinstance(one, BinaryOp | Call) and _has_element(one, read[0])]
    folds = {found.op, f"atomic_{found.op}"}
    return all((one.op if isinstance(one, BinaryOp) else one.function) in folds for one in parents)


def _has_element(node: BinaryOp | Call, array: str) -> bool:
    operands = (node.left, node.right) if isinstance(node, BinaryOp) else node.args
    return any(isinstance(one, Index) and one.array == array for one in operands)


class _Circuit:
    """Writes one circuit; classes after those of the arrays hold what lies in between."""

    def __init__(self, kernel: str, classes: dict[str, int]) -> None:
        self.kernel, self.classes, self.next = kernel, classes, len(classes)
        self.operations: list[str] = []
        self.known: dict[Expr, str] = {}

    def refusal(self, what: str) -> UsageError:
        return UsageError(
            f"{self.kernel} must be made of what circuits can say for --emit circuit or calls, but has {what}; "
            f"such a kernel goes straight to instructions: use --emit isa"
        )

    def name(self, array: str) -> str:
        return f"c{self.classes[array]:02}"

    def element_wise(self, value: Expr, out: str) -> str:
        if isinstance(value, Index):
            return f"copy@{self.name(value.array)}->{self.name(out)}"
        self.value(value, self.name(out))
        return " . ".join(self.operations)

    def value(self, node: Expr, into: str = "") -> str:
        """Return the class that holds a value, computed into a class of its own unless one is given."""
        if isinstance(node, Index):
            return self.name(node.array)
        if not into and node in self.known:
            return self.known[node]
        operation, operands = self.operation(node)
        held = [self.value(one) for one in operands]
        target = into or self.fresh()
        self.operations.append(f"{operation}@{held[0]}[{held[-1]},{target}]")
        self.known[node] = target
        return target

    def fresh(self) -> str:
        if self.next >= CLASSES:
            raise self.refusal(f"more than {CLASSES} values")
        self.next += 1
        return f"c{self.next - 1:02}"

    def operation(self, node: Expr) -> tuple[str, list[Expr]]:
        gelu = _gelu(node)
        if gelu is not None:
            return "merge.gelu", [gelu]
        if isinstance(node, Call) and node.function == "max" and _is_zero(node.args[1]):
            # Not max(0, x), whose zero has another sign where x is -0.0.
            return "merge.relu", [node.args[0]]
        if isinstance(node, BinaryOp) and node.op in _BINARY:
            return _BINARY[node.op], [node.left, node.right]
        if isinstance(node, Call) and node.function in _BINARY:
            return _BINARY[node.function], list(node.args)
        if isinstance(node, Call) and node.function in _UNARY:
            return f"merge.{node.function}", list(node.args)
        what = node.op if isinstance(node, BinaryOp) else getattr(node, "function", type(node).__name__.lower())
        raise self.refusal(f"a {what} in its value")


def _is_zero(node: Expr) -> bool:
    return isinstance(node, Literal) and node.value == 0


def _factors(node: Expr) -> Iterator[Expr]:
    if isinstance(node, BinaryOp) and node.op == "mul":
        yield from _factors(node.left)
        yield from _factors(node.right)
    else:
        yield node


def _gelu(node: Expr) -> Expr | None:
    """Return x of `x * 0.5 * (1 + erf(x * sqrt(1 / 2)))`, in any order of the factors, or None."""
    factors = list(_factors(node))
    halves = [one for one in factors if isinstance(one, Literal) and one.value == 0.5]
    sums = [one for one in factors if isinstance(one, BinaryOp) and one.op == "add"]
    rest = [one for one in factors if one not in halves and one not in sums]
    if not (len(halves) == len(sums) == len(rest) == 1):
        return None
    [one], [x] = sums, rest
    ends = (one.left, one.right)
    unit = any(isinstance(end, Literal) and end.value == 1.0 for end in ends)
    erf = next((end for end in ends if isinstance(end, Call) and end.function == "erf"), None)
    if not unit or erf is None:
        return None
    inner = list(_factors(erf.args[0]))
    scaled = [end for end in inner if isinstance(end, Literal) and abs(end.value - 0.5**0.5) < 1e-7]
    return x if x in inner and len(scaled) == 1 and len(inner) == 2 else None
