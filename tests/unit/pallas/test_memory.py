"""References: windows, masks, and the shadows that know who wrote what."""

from __future__ import annotations

import numpy as np
import pytest

from prism.pallas import InterpretParams, OutOfBoundsError, RaceError, RaceWarning
from prism.pallas.access import Bitcast, Index, Reshape, Span, Transpose
from prism.pallas.errors import KernelSite
from prism.pallas.machine import Machine
from prism.pallas.memory import Ref
from prism.pallas.races import watch_of

pytestmark = pytest.mark.m6


def _machine(**params):
    machine = Machine("k", InterpretParams(**params), (4,), (1,), number=1, parallel=(True,))
    machine.site = KernelSite("kernel.py", 7, "k")
    return machine


def _ref(shape=(4, 6), **shadows):
    return Ref("x_ref", np.arange(np.prod(shape)).reshape(shape), _machine(), **shadows)


def test_a_load_is_a_copy() -> None:
    """What a load returned does not change when the memory does."""
    ref = _ref()
    loaded = ref.load((slice(0, 2, 1), slice(0, 6, 1)))
    ref.store((0, slice(0, 6, 1)), -1)
    assert loaded[0].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.clause("PALLAS-10")
@pytest.mark.parametrize("index", [(4, 0), (-1, 0), (slice(2, 5, 1), 0), (np.array([0, 4]), np.array([0, 0]))])
def test_an_index_outside_is_reported(index) -> None:
    """The message has the place, the index, the name, the shape, the step and a remedy."""
    with pytest.raises(
        OutOfBoundsError, match=r"kernel\.py:7 in k: index \[.*\] is outside of x_ref.*\(4, 6\)"
    ) as info:
        _ref().load(index)
    assert "grid step (1,)" in str(info.value)
    assert "mask the access" in str(info.value)
    assert info.value.step == (1,)


@pytest.mark.clause("PALLAS-10")
def test_clamping_moves_the_start_until_it_fits() -> None:
    """out_of_bounds="clamp" reads what a dynamic slice of XLA reads."""
    ref = Ref("x_ref", np.arange(8), _machine(out_of_bounds="clamp"))
    assert ref.load((slice(6, 10, 1),)).tolist() == [4, 5, 6, 7]
    assert ref.load((9,)) == 7


@pytest.mark.clause("PALLAS-10")
def test_masked_elements_need_not_exist() -> None:
    """A mask keeps elements outside from being read or written; an unmasked one is reported."""
    ref = Ref("x_ref", np.arange(4), _machine())
    index, mask = (slice(2, 6, 1),), np.array([True, True, False, False])
    assert ref.load_masked(index, mask, 9).tolist() == [2, 3, 9, 9]
    ref.swap_masked(index, np.full(4, -1), mask)
    assert ref.data.tolist() == [0, 1, -1, -1]
    with pytest.raises(OutOfBoundsError):
        ref.load_masked(index, np.array([True, True, True, False]), 9)


@pytest.mark.clause("PALLAS-11")
def test_reading_what_nobody_wrote_leaves_a_doubt() -> None:
    """The first such element is remembered with its place; the run goes on."""
    ref = _ref(written=np.zeros((4, 6), np.bool_))
    ref.store((1, slice(0, 6, 1)), 0)
    ref.load((1, slice(0, 6, 1)))
    assert not ref.machine.doubts
    ref.load((slice(1, 3, 1), 3))
    (doubt,) = ref.machine.doubts.values()
    assert doubt.index == (2, 3)


@pytest.mark.clause("PALLAS-12")
def test_a_second_parallel_writer_is_a_race() -> None:
    """The report has both steps and the element; "warn" warns; the same step may write twice."""
    ref = _ref(watch=watch_of((4, 6)))
    ref.store((0, slice(0, 6, 1)), 1)
    ref.store((0, 2), 1)
    ref.machine.step, ref.machine.number = (3,), 3
    with pytest.raises(RaceError, match=r"steps \(1,\) and \(3,\) both write element \(0, 2\)") as info:
        ref.store((0, 2), 1)
    assert (info.value.other_step, info.value.step) == ((1,), (3,))
    ref.machine.params = InterpretParams(races="warn")
    with pytest.warns(RaceWarning, match="either order"):
        ref.store((0, 3), 1)


@pytest.mark.parametrize(
    "transform",
    [
        Index((Span(1, 2), Span(0, 6)), (4, 6)),
        Index((2, Span(1, 3, 2)), (4, 6)),
        Reshape((6, 4)),
        Transpose((1, 0)),
    ],
)
def test_a_store_through_a_transform_reaches_the_memory(transform) -> None:
    """A window of a window is the same memory, whether or not NumPy has a view for it."""
    for ref in (_ref(), Ref("x", np.arange(48).reshape(8, 6)[::2], _machine())):
        window = ref.through((transform,), ())
        window.store(tuple(slice(0, n, 1) for n in window.data.shape), -1)
        assert (ref.data == -1).sum() == window.data.size


def test_a_bitcast_window_packs_rows() -> None:
    """The second axis from the end shrinks by the ratio of the widths, and stores come back."""
    ref = Ref("x", np.arange(8, dtype=np.int16).reshape(4, 2), _machine())
    window = ref.through((Bitcast(np.dtype(np.int32)),), ())
    assert window.data.tolist() == [[0 | 2 << 16, 1 | 3 << 16], [4 | 6 << 16, 5 | 7 << 16]]
    window.store((0, 0), 0)
    assert ref.data.tolist() == [[0, 1], [0, 3], [4, 5], [6, 7]]


def test_index_arrays_select_as_in_numpy() -> None:
    """Adjacent arrays keep their place, separated ones go to the front, negative entries count from the end."""
    data = np.arange(24).reshape(2, 3, 4)
    ref = Ref("x", data, _machine())
    rows, columns = np.array([0, 1]), np.array([2, -1])
    np.testing.assert_array_equal(ref.load((slice(0, 2, 1), rows, columns)), data[:, rows, columns])
    np.testing.assert_array_equal(ref.load((rows, slice(0, 3, 1), columns)), data[rows, :, columns])
    masked = ref.load_masked((rows, slice(0, 3, 1), np.array([2, 3])), np.ones((2, 3), bool), 0)
    np.testing.assert_array_equal(masked, data[rows, :, [2, 3]])
