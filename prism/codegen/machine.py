"""Functions for generated Numba code that are single machine operations: whole numbers of any width, memory, halves.

Numba widens small integers and mixes signs as NumPy does; these do not: both operands have one type, and so has the
result. Each is one or a few instructions of LLVM, so loops around them vectorise.
"""

from __future__ import annotations

from typing import Final

_SAME: Final = """
@numba.extending.intrinsic
def {name}(_, a, b):
    return (a(a, b), lambda c, builder, s, args: builder.{operation}(*args)) if a == b else None
"""
_PAIRS: Final = {
    "_wadd": "add",
    "_wsub": "sub",
    "_wmul": "mul",
    "_wand": "and_",
    "_wor": "or_",
    "_wxor": "xor",
    "_quotient_s": "sdiv",
    "_quotient_u": "udiv",
    "_remainder_s": "srem",
    "_remainder_u": "urem",
    "_left": "shl",
    "_right_s": "ashr",
    "_right_u": "lshr",
}

_MORE: Final = """
@inner
def _divided_s(a, b):
    # The least number over -1 wraps; the machine's own division would trap.
    return _wsub(_wxor(a, a), a) if b == -1 else _quotient_s(a, b)


@inner
def _rest_s(a, b):
    return _wsub(a, a) if b == -1 else _remainder_s(a, b)


def _extremum(symbol, a, b):
    def generate(_, builder, signature, args):
        x, y = args
        if isinstance(a, types.Float):
            swap = builder.or_(builder.fcmp_unordered("uno", x, x), builder.fcmp_ordered(symbol, y, x))
        else:
            swap = (builder.icmp_signed if a.signed else builder.icmp_unsigned)(symbol, y, x)
        return builder.select(swap, y, x)

    return (a(a, b), generate) if a == b else None


@numba.extending.intrinsic
def _lesser(_, a, b):
    # b if a is NaN or b < a, else a.
    return _extremum("<", a, b)


@numba.extending.intrinsic
def _greater(_, a, b):
    return _extremum(">", a, b)


@numba.extending.intrinsic
def _chosen(_, p, a, b):
    return (a(p, a, b), lambda c, builder, s, args: builder.select(*args)) if a == b else None


@numba.extending.intrinsic
def _same_bits(_, x, like):
    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(like))

    return like(x, like), generate


@numba.extending.intrinsic
def _like(_, number, like):
    # A small constant as the type of another.
    def generate(context, builder, signature, args):
        return builder.trunc(args[0], kind) if (kind := context.get_value_type(like)).width < 64 else args[0]

    return like(types.int64, like), generate


@numba.extending.intrinsic
def _pointer(_, address):
    def generate(_, builder, signature, args):
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.CPointer(types.uint8)(address), generate


@numba.extending.intrinsic
def _words(_, address):
    def generate(_, builder, signature, args):
        return builder.inttoptr(args[0], ir.IntType(64).as_pointer())

    return types.CPointer(types.uint64)(address), generate


@numba.extending.intrinsic
def _element(_, memory, index, like):
    # Elements lie at multiples of their size from where the memory starts, which may be anywhere.
    def generate(context, builder, signature, args):
        base = builder.bitcast(args[0], context.get_value_type(like).as_pointer())
        return builder.load(builder.gep(base, [args[1]]), align=1)

    return like(memory, index, like), generate


@numba.extending.intrinsic
def _put(_, memory, index, value):
    def generate(context, builder, signature, args):
        base = builder.bitcast(args[0], context.get_value_type(value).as_pointer())
        builder.store(args[2], builder.gep(base, [args[1]]), align=1)
        return context.get_dummy_value()

    return types.void(memory, index, value), generate


@numba.extending.intrinsic
def _call(_, address, record):
    # The entry of compiled code at an address: int64 of a pointer to words.
    def generate(context, builder, signature, args):
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word.as_pointer()])
        record = builder.inttoptr(args[1], word.as_pointer())
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [record])

    return types.int64(address, record), generate


@numba.extending.intrinsic
def _saturated(_, x, like):
    # LLVM's conversion that saturates, and makes 0 of NaN.
    def generate(context, builder, signature, args):
        given, wanted = (context.get_value_type(kind) for kind in (x, like))
        sign = "s" if like.signed else "u"
        name = f"llvm.fpto{sign}i.sat.i{like.bitwidth}.f{x.bitwidth}"
        function = builder.module.globals.get(name)
        if function is None:
            function = ir.Function(builder.module, ir.FunctionType(wanted, [given]), name)
        return builder.call(function, args[:1])

    return like(x, like), generate


@numba.extending.intrinsic
def _from_half(_, bits):
    def generate(context, builder, signature, args):
        return builder.fpext(builder.bitcast(args[0], ir.HalfType()), ir.FloatType())

    return types.float32(bits), generate


@numba.extending.intrinsic
def _to_half(_, x):
    def generate(context, builder, signature, args):
        return builder.bitcast(builder.fptrunc(args[0], ir.HalfType()), ir.IntType(16))

    return types.uint16(x), generate


@inner
def _half(x):
    return _from_half(_to_half(x))


@inner
def _from_brain(bits):
    return _same_bits(np.uint32(np.uint32(bits) << np.uint32(16)), np.float32(0))


@inner
def _to_brain(x):
    b = _same_bits(x, np.uint32(0))
    # Half of the last place, less one where the last bit is even; a NaN stays one and becomes quiet.
    up = np.uint32(b + np.uint32(0x7FFF) + ((b >> np.uint32(16)) & np.uint32(1)))
    return np.uint16(((b | np.uint32(0x400000)) if x != x else up) >> np.uint32(16))


@inner
def _brain(x):
    return _from_brain(_to_brain(x))


@inner
def _to_odd(x):
    # float64 to float32, and to the odd one of two neighbours where it lies between: rounding that again, to fewer
    # bits, is right (Boldo and Melquiond 2008).
    y = np.float32(x)
    b = _same_bits(y, np.int32(0))
    if (np.float64(y) == x) | (x != x) | (b & np.int32(1) != 0):
        return y
    step = np.int32(1) if (np.float64(abs(y)) < abs(x)) else np.int32(-1)
    return _same_bits(np.int32(b + step), np.float32(0))


@inner
def _sticky(x):
    # A 64-bit number as one that float64 holds: the bits it has no room for become one, far below those that are kept.
    if abs(np.float64(x)) < 9007199254740992.0:
        return x
    high = _left(_right_u(x, _like(11, x)), _like(11, x))
    return high if high == x else _wor(high, _like(2048, x))


@inner
def _sum_to_odd(a, b):
    # a + b in float64, to the odd neighbour where it is inexact; the error is exact by Knuth's two-sum.
    s = a + b
    t = s - a
    e = (a - (s - t)) + (b - t)
    bits = _same_bits(s, np.int64(0))
    if (e == 0) | (e != e) | (bits & np.int64(1) != 0):
        return s
    step = np.int64(1) if (e > 0) == (s > 0) else np.int64(-1)
    return _same_bits(np.int64(bits + step), np.float64(0))
"""

MACHINE: Final = (
    "\n\n".join(_SAME.format(name=name, operation=operation) for name, operation in _PAIRS.items()) + "\n\n" + _MORE
)
"""The functions as source, blank lines between them."""
