"""Atomic words for Numba loops: LLVM's atomic instructions on elements of integer arrays, and waiting in the kernel."""

# ruff: noqa: ARG001 (Numba calls a typing function with every argument)

from __future__ import annotations

import platform
import sys
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_WORDS: Final = (types.uint32, types.uint64, types.int64)
_FUTEX_CALLS: Final = {"x86_64": 202, "aarch64": 98}
FUTEX_CALL: Final = _FUTEX_CALLS.get(platform.machine(), -1) if sys.platform == "linux" else -1
"""The number of the futex system call, -1 where there is none: waiters then yield and look again."""
_WAIT, _WAKE = 0, 1
_ALL: Final = 0x7FFF_FFFF

# Fixed arguments for a variadic C function: both calling conventions of `_FUTEX_CALLS` pass them alike.
_syscall: Final = types.ExternalFunction(
    "syscall", types.int64(types.int64, types.uint64, types.int64, types.int64, types.uint64, types.int64, types.int64)
)
_sched_yield: Final = types.ExternalFunction("sched_yield", types.int32())


def _is_word_array(array: Any) -> bool:
    return isinstance(array, types.Array) and array.ndim == 1 and array.layout == "C" and array.dtype in _WORDS


def _element(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return cgutils.get_item_pointer2(
        context,
        builder,
        array.data,
        [builder.extract_value(array.shape, 0)],
        [builder.extract_value(array.strides, 0)],
        "C",
        [args[1]],
    )


def _type_load(_: Any, array: Any, index: Any) -> Any:
    if not _is_word_array(array):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_element(context, builder, signature, args), "acquire", array.dtype.bitwidth // 8)

    return array.dtype(array, types.intp), generate


load: Any = intrinsic(_type_load)
"""Return array[index], no later access before it (acquire); no bounds check."""


def _type_store(_: Any, array: Any, index: Any, value: Any) -> Any:
    if not _is_word_array(array):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _element(context, builder, signature, args)
        builder.store_atomic(args[2], place, "release", array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), generate


store: Any = intrinsic(_type_store)
"""Set array[index], every earlier access before it (release); no bounds check."""


def _read_modify_write(operation: str) -> Any:
    def type_call(_: Any, array: Any, index: Any, value: Any) -> Any:
        if not _is_word_array(array):
            return None

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.atomic_rmw(operation, _element(context, builder, signature, args), args[2], "seq_cst")

        return array.dtype(array, types.intp, array.dtype), generate

    return type_call


add: Any = intrinsic(_read_modify_write("add"))
"""add(array, index, value): add to a word modulo its width and return what was there."""
set_bits: Any = intrinsic(_read_modify_write("or"))
"""set_bits(array, index, value): set a word's bits that value has, and return what was there."""
clear_bits: Any = intrinsic(_read_modify_write("and"))
"""clear_bits(array, index, value): keep only a word's bits that value has, and return what was there."""
exchange: Any = intrinsic(_read_modify_write("xchg"))
"""exchange(array, index, value): set a word and return what was there."""


def _type_compare_swap(_: Any, array: Any, index: Any, expected: Any, value: Any) -> Any:
    if not _is_word_array(array):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _element(context, builder, signature, args)
        pair = builder.cmpxchg(place, args[2], args[3], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 0)

    return array.dtype(array, types.intp, array.dtype, array.dtype), generate


compare_swap: Any = intrinsic(_type_compare_swap)
"""Set array[index] to value if it holds expected; return what was there."""


def _type_borrowed(_: Any, array: Any) -> Any:
    if not isinstance(array, types.Array):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.return_type)(context, builder, args[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), generate


borrowed: Any = intrinsic(_type_borrowed)
"""Return a view that does not count as a reference, so that calls with it count none; the array must outlive it.

Counting is two atomic additions for each array of each call that is not inlined, half of the time of a short loop.
"""


def _type_pointer(_: Any, address: Any, like: Any) -> Any:
    if not isinstance(like, types.Integer):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_data_type(like).as_pointer())

    return types.CPointer(like)(types.uint64, like), generate


_pointer: Any = intrinsic(_type_pointer)
_array_of: Any = numba.carray  # pyright: ignore


@njit(nogil=True, cache=True)
def array_at(address: Any, count: Any, like: Any) -> Any:
    """Return an array of `count` numbers of the type of `like` at an address, a uint64.

    A call that takes addresses in one array unpacks one array instead of many, a microsecond less for a short call.
    Whoever wrote the address keeps the memory alive.
    """
    return _array_of(_pointer(address, like), np.int64(count))


def _type_fetch_line(_: Any, array: Any, index: Any) -> Any:
    if not _is_word_array(array):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(_element(context, builder, signature, args), kind)
        of = ir.FunctionType(ir.VoidType(), [kind, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [kind], of)
        builder.call(function, [place, number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


fetch_line: Any = intrinsic(_type_fetch_line)
"""Begin to fetch the cache line of array[index], to be written soon."""


def _type_fence(_: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


fence: Any = intrinsic(_type_fence)
"""Order every earlier access before every later one, stores before loads included."""


def _type_address(_: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(_element(context, builder, signature, args), ir.IntType(64))

    return types.uint64(array, types.intp), generate


_address: Any = intrinsic(_type_address)


def _type_call_handler(_: Any, address: Any, words: Any, args: Any, control: Any, window: Any) -> Any:
    if not _is_word_array(words):
        return None

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        word = ir.IntType(32)
        pointer = word.as_pointer()
        of = ir.FunctionType(ir.IntType(64), [pointer, pointer, word, word])
        array = signature.args[1]
        kinds = (None, array, types.intp)

        def place(index: Any) -> Any:
            return _element(context, builder, types.none(*kinds[1:]), (given[1], index))

        function = builder.inttoptr(given[0], of.as_pointer())
        start = builder.load(place(given[4]))
        count = builder.load(place(builder.add(given[4], given[4].type(1))))
        return builder.call(function, [place(given[2]), place(given[3]), start, count])

    return types.uint64(types.uint64, words, types.intp, types.intp, types.intp), generate


call_handler: Any = intrinsic(_type_call_handler)
"""Call the compiled handler at an address with pointers to a job's arguments and to the control words.

args, control: where these begin; window: where the tenant's window, start and length, stands. Returns what the
handler does, plus 1; 0 if it raised.
"""


def _type_words_at(_: Any, address: Any) -> Any:
    pointer = types.CPointer(types.uint32)
    return pointer(types.uint64), lambda _context, builder, _signature, given: builder.inttoptr(
        given[0], ir.IntType(32).as_pointer()
    )


words_at: Any = intrinsic(_type_words_at)
"""Return a pointer to the words at an address; a constant array would be a copy."""


@njit(nogil=True, cache=True)
def lock(words: Any, index: Any, process: Any) -> None:
    """Wait until words[index] is 0, and make it the caller's process, uint32: it is the caller's until `unlock`."""
    while compare_swap(words, index, np.uint32(0), process) != 0:
        _sched_yield()


@njit(nogil=True, cache=True)
def unlock(words: Any, index: Any) -> None:
    """Let the next one have words[index]."""
    store(words, index, np.uint32(0))


@njit(nogil=True, cache=True)
def pause() -> None:
    """Give the processor to another thread that wants it."""
    _sched_yield()


@njit(nogil=True, cache=True)
def wait_word(words: Any, index: Any, seen: Any, span: Any) -> None:
    """Sleep until words[index] may no longer be `seen`, at most span[0] seconds and span[1] nanoseconds.

    words: (n,) uint32, shared between processes or not; span: (2,) int64. May return early for no reason.
    """
    if FUTEX_CALL < 0:
        _sched_yield()
        return
    _syscall(FUTEX_CALL, _address(words, index), _WAIT, np.int64(seen), _address(span, 0), 0, 0)


@njit(nogil=True, cache=True)
def wake_word(words: Any, index: Any) -> None:
    """Wake everyone who waits for words[index]; the caller has changed it before."""
    if FUTEX_CALL >= 0:
        _syscall(FUTEX_CALL, _address(words, index), _WAKE, _ALL, 0, 0, 0)
