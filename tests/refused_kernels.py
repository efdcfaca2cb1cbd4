"""Kernels outside the language: the line that is refused bears `#<`, after it words of the refusal."""

from __future__ import annotations

from typing import Final

IMPORTS: Final = """\
import math
import numpy as np
import prism
from typing import TypeVar
from prism import *
from prism import DeviceArray, kernel, f16, f32, f64, i8, i32, i64, u8, u32, u64, shared, exp, pow, barrier, block_sum
from prism import get_global_id, get_local_id, atomic_add, atomic_and, atomic_cas, fma
WORD = "text"
TABLE = [1, 2, 3]
TWICE = 1
TWICE = 2
Free = TypeVar("Free")
SIZE = 8

def plain(x):
    return x

@kernel
def launched(a: DeviceArray[f32]):
    a[0] = 1.0

@kernel(inline=True)
def twice(x: f32) -> f32:
    return x * 2.0

@kernel(inline=True)
def fill(to: DeviceArray[f32], x: f32):
    to[0] = x

"""
HEAD: Final = (
    "@kernel\ndef k(a: DeviceArray[f32], b: DeviceArray[i32], u: DeviceArray[u8], m: DeviceArray[f64], "
    "x: f32, y: i32, n: u32, w: i64, v: u64):\n"
)

BODIES: Final = r"""
try: #< expected a statement of the kernel language, found try
    x = 1.0
except ValueError:
    x = 2.0
===
a[0] = x
raise ValueError #< found raise
===
assert x > 0 #< found assert
===
with x: #< found with
    pass
===
import os #< found import
===
from os import path #< found import
===
def f(): #< found a function inside a kernel
    pass
===
class C: #< found a class
    pass
===
z = x
del z #< found del
===
global SIZE #< found global
===
nonlocal x #< found nonlocal
===
match y: #< found match
    case 1:
        a[0] = x
===
async for i in range(3): #< found async for
    a[i] = x
===
async with x: #< found async with
    pass
===
f = lambda z: z #< found lambda
===
z = [i for i in range(3)] #< found a comprehension
===
z = {i for i in range(3)} #< found a comprehension
===
z = {i: i for i in range(3)} #< found a comprehension
===
a[0] = max(i for i in range(3)) #< found a comprehension
===
z = [x, x] #< found a list
===
z = x, x #< found a tuple
===
z = {} #< found a dict
===
z = {x} #< found a set
===
z = f"{x}" #< found a string
===
z = "text" #< a number, True or False
===
z = b"text" #< a number, True or False
===
z = None #< a number, True or False
===
z = ... #< a number, True or False
===
z = 1j #< a number, True or False
===
if (z := x) > 0: #< found :=
    a[0] = z
===
z = await x #< found await
===
yield x #< a statement with an effect
===
z = yield x #< found yield
===
z = yield from x #< found yield
===
a[0] = exp(*x) #< found *
===
z = a[0:2] #< found a slice
===
z, q = x, x #< as target, found a tuple
===
z = q = x #< expected one target, found several
===
a.z = x #< expected a variable or an element as target
===
x[0] = x #< expected an element of an array
===
z = x[0] #< expected an element of an array
===
z += x #< expected a variable that has a value, found z
===
z = x @ x #< expected an operator of kernels, found @
===
x @= x #< expected an operator of kernels, found @=
===
if x is x: #< a comparison of numbers, found is
    pass
===
if x is not x: #< a comparison of numbers, found is not
    pass
===
if x in a: #< expected a number, found the array a
    pass
===
if x not in (1, 2): #< found a tuple
    pass
===
if y in y: #< a comparison of numbers, found in
    pass
===
for i in range(3):
    a[i] = x
else:
    a[0] = x #< a loop without else
===
while y > 0:
    y -= 1
else:
    a[0] = x #< a loop without else
===
for z in a: #< expected range(...), found a
    pass
===
for z in (1, 2): #< expected range(...)
    pass
===
for z in enumerate(a): #< expected range(...)
    pass
===
for z, q in range(3): #< one variable that counts
    pass
===
for a in range(3): #< one variable that counts
    pass
===
for i in range(): #< range with one to three bounds
    pass
===
for i in range(1, 2, 3, 4): #< range with one to three bounds
    pass
===
for i in range(0, 8, 0): #< a number in the source, not 0
    pass
===
for i in range(0, 8, y): #< a number in the source, not 0
    pass
===
for i in range(x): #< bounds that meet in an integer type
    pass
===
for i in range(w, v): #< bounds that meet in an integer type
    pass
===
for i in range(n, 0, -1): #< a signed range for a negative step
    pass
===
z = 1.5
for z in range(3): #< a variable of type i32
    pass
===
for i in range(stop=3): #< expected range(...)
    pass
===
return x #< expected return without a value
===
break #< break inside a loop
===
continue #< continue inside a loop
===
return
a[0] = x #< a statement that control reaches
===
while True:
    break
    a[0] = x #< a statement that control reaches
===
for i in range(3):
    continue
    a[0] = x #< a statement that control reaches
===
while True:
    y += 1
a[0] = x #< a statement that control reaches
===
1 #< a statement with an effect
===
x + x #< a statement with an effect
===
exp(x) #< a call with an effect
===
f32(y) #< a call with an effect
===
twice(x) #< a call with an effect
===
a[0] = x
"not a docstring" #< a statement with an effect
===
z = unknown(x) #< a name that this file does not define
===
print(x) #< a call of an intrinsic, a type or an inline kernel
===
z = len(a) #< a call of an intrinsic, a type or an inline kernel
===
z = sum(a) #< a call of an intrinsic, a type or an inline kernel
===
z = round(x) #< a call of an intrinsic, a type or an inline kernel
===
z = divmod(y, y) #< a call of an intrinsic, a type or an inline kernel
===
z = str(x) #< a call of an intrinsic, a type or an inline kernel
===
z = bool(x) #< a call of an intrinsic, a type or an inline kernel
===
z = open("f") #< a call of an intrinsic, a type or an inline kernel
===
z = math.floor(x) #< import it from prism
===
z = np.sqrt(x) #< a call of an intrinsic, a type or an inline kernel
===
z = a.sum() #< a call of an intrinsic, a type or an inline kernel
===
z = plain(x) #< a function that is not an inline kernel
===
z = prism.cbrt(x) #< a name that prism does not have
===
launched(a) #< a call of an inline kernel, found launched
===
z = twice(x, x) #< expected 1 arguments of twice, found 2
===
z = twice(m[0]) #< expected f32 for parameter x, found f64
===
fill(b, x) #< an array of f32 with 1 indices for to
===
fill(x, x) #< an array of f32 with 1 indices for to
===
z = fill(a, x) #< which has none
===
z = twice(x=x) #< arguments by position, found x=
===
z = exp() #< expected 1 arguments of exp, found 0
===
z = exp(x, x) #< expected 1 arguments of exp, found 2
===
z = min(x) #< expected 2 arguments of min, found 1
===
z = pow(x) #< expected 2 arguments of pow, found 1
===
z = fma(x, x) #< expected 3 arguments of fma, found 2
===
z = exp(y) #< values of exp of type
===
z = get_global_id(3) #< get_global_id() or an axis 0, 1 or 2
===
z = get_global_id(y) #< get_global_id() or an axis 0, 1 or 2
===
z = get_local_id(0, 1) #< get_local_id() or an axis 0, 1 or 2
===
atomic_add(x, 0, x) #< expected an element of an array
===
atomic_add(a, 0) #< expected atomic_add(array, index, value)
===
atomic_add(u, 0, 1) #< values of atomic_add of type
===
atomic_and(a, 0, 1.0) #< values of atomic_and of type
===
atomic_cas(a, 0, 1.0, 2.0) #< values of atomic_cas of type
===
atomic_add(b, 0, x) #< expected i32 for an element of b, found f32
===
z = atomic_add(a, 0, x) + x #< atomic_add alone, or alone on the right of =
===
if atomic_add(b, 0, 1) > 0: #< atomic_add alone, or alone on the right of =
    pass
===
z = block_sum(x) + x #< block_sum alone, or alone on the right of =
===
z = barrier() #< which has none
===
t = shared(f32, y) #< sizes that are positive numbers in the source
===
t = shared(f32, 0) #< sizes that are positive numbers in the source
===
t = shared(f32, 2, 2, 2, 2) #< name = shared(type, n, ...) for a new name
===
t = shared(f32) #< name = shared(type, n, ...) for a new name
===
t = shared(8, 8) #< an element type first
===
a = shared(f32, 8) #< name = shared(type, n, ...) for a new name
===
if x > 0:
    t = shared(f32, 8) #< shared() outside ifs and loops
===
z = exp(shared(f32, 8)) #< give it a statement of its own
===
z = a #< expected a number, found the array a
===
z = a + x #< expected a number, found the array a
===
a += x #< expected a variable or an element, found the array a
===
a = x #< expected a variable or an element, found the array a
===
a[x] = x #< an integer as index, found f32
===
a[y > 0] = x #< an integer as index, found bool
===
a[-1] = x #< an index of at least 0, found -1
===
a[0] = x
a[0, 0] = x #< as many indices of a everywhere
===
a[0, 0, 0, 0] = x #< one to three indices, found 4
===
z = a.shape[3] #< shape[0], shape[1] or shape[2] of an array
===
z = a.shape[y] #< shape[0], shape[1] or shape[2] of an array
===
z = a.shape[1] #< expected an axis below 1, found 1
===
z = a.shape #< a name that kernels know, found a.shape
===
z = a.size #< a name that kernels know, found a.size
===
z = x.real #< a name that kernels know, found x.real
===
z = x + y #< operands that meet in one type, found f32 and i32
===
z = w + v #< operands that meet in one type, found i64 and u64
===
z = a[0] * b[0] #< operands that meet in one type, found f32 and i32
===
z = max(x, y) #< values that meet in one type, found f32, i32
===
z = x if y > 0 else y #< operands that meet in one type
===
a[0] = m[0] #< expected f32 for an element of a, found f64
===
z = x
z = m[0] #< expected f32 for z, found f64
===
z = y
z = x #< expected i32 for z, found f32
===
z = y
z += v #< operands that meet in one type, found i32 and u64
===
b[0] = 1.5 #< a number that fits i32, found 1.5
===
u[0] = 300 #< a number that fits u8, found 300
===
z = n + -1 #< a number that fits u32, found -1
===
a[0] = 1e39 #< a number that fits f32, found 1e+39
===
z = 2 ** 40 #< a number that fits i32
===
z = y / 2 #< write // for the quotient of integers
===
z = y ** y #< write an exponent that is a number of the source
===
z = y ** -1 #< an exponent of 0 to 64, found -1
===
z = x ** 100 #< an exponent of -64 to 64, found 100
===
z = 9 ** 999 #< a power that its numbers allow
===
z = 1 // 0 #< an operator that its numbers allow
===
z = 1.5 << 2 #< an operator that its numbers allow
===
z = 1 << 100 #< a shift of 0 to 63, found 100
===
z = ~1.5 #< expected an integer for ~, found 1.5
===
z = x & 1.0 #< operands of bit_and of type
===
z = ~x #< operands of invert of type
===
z = x << 1.0 #< operands of shl of type
===
z = not y #< expected a condition, found i32
===
z = y and y #< expected a condition, found i32
===
if y: #< expected a condition, found i32
    pass
===
while n: #< expected a condition, found u32
    n -= 1
===
z = x if y else x #< expected a condition, found i32
===
z = True + 1 #< a number that fits bool, found 1
===
z = -True #< operands of neg of type
===
z = (x < 1) + (x > 2) #< operands of add of type
===
z = (x < 1) * y #< operands that meet in one type, found bool and i32
===
z = q #< a variable, a parameter or a constant, found q
===
z = WORD #< a name whose value is not a number
===
z = TABLE #< a name whose value is not a number
===
z = TWICE #< a name that is assigned twice
===
z = np.pi #< a name that kernels know
===
if x > 0:
    z = x
a[0] = z #< a variable that surely has a value here, found z
===
for i in range(3):
    pass
b[0] = i #< a variable that surely has a value here, found i
===
while y > 0:
    z = x
    y -= 1
a[0] = z #< a variable that surely has a value here, found z
===
a[0] = z #< a variable that surely has a value here, found z
z = x
===
z: f32 #< a variable, its type and its value
===
a[0]: f32 = x #< a variable, its type and its value
===
z = x
z: f32 = x #< a type at the first assignment
===
z: complex = x #< expected an element type, found complex
===
z: f32 = m[0] #< expected f32 for z, found f64
===
z = f32() #< expected 1 arguments of f32, found 0
===
z = i32(x, x) #< expected 1 arguments of i32, found 2
===
z = x > "a" #< a number, True or False
===
z = a[0][1] #< expected an element of an array
"""
"""Bodies of `k`, parted by ===."""

WHOLE: Final = r"""
@kernel
def k(a): #< an annotation, found a without one
    pass
===
@kernel
def k(a: DeviceArray): #< DeviceArray[...] or an element type, found DeviceArray
    pass
===
@kernel
def k(a: np.ndarray): #< DeviceArray[...] or an element type
    pass
===
@kernel
def k(a: list[f32]): #< DeviceArray[...] or an element type
    pass
===
@kernel
def k(a: DeviceArray[str]): #< an element type in DeviceArray[...]
    pass
===
@kernel
def k(a: "]["): #< an annotation that is a type
    pass
===
@kernel
def k(a: DeviceArray[Free]): #< a type variable with the element types
    pass
===
@kernel
def k(x: f32 = 1.0): #< a parameter without a default
    pass
===
@kernel
def k(*x: f32): #< expected plain parameters, found x
    pass
===
@kernel
def k(**x: f32): #< expected plain parameters, found x
    pass
===
@kernel
def k(x: f32, *, y: f32): #< expected plain parameters, found y
    pass
===
@kernel
def k(x: f32, /): #< expected plain parameters, found x
    pass
===
@kernel
def k(x: f32) -> f32: #< a kernel that returns nothing
    return x
===
@kernel
def k(x: f32) -> str: #< a return type that is one of the element types
    return x
===
@kernel(inline=True)
def again(x: f32) -> f32:
    return again(x) #< calls without recursion
@kernel
def k(a: DeviceArray[f32]):
    a[0] = again(a[0])
===
@kernel(inline=True)
def half(x: f32) -> f32: #< a return of f32 on every way
    if x > 0:
        return x
@kernel
def k(a: DeviceArray[f32]):
    a[0] = half(a[0])
===
@kernel(inline=True)
def half(x: f32):
    return x #< expected return without a value
@kernel
def k(a: DeviceArray[f32]):
    a[0] = half(a[0])
===
@kernel(inline=True)
def half(x: f32) -> f32:
    return #< expected return of f32
@kernel
def k(a: DeviceArray[f32]):
    a[0] = half(a[0])
===
@kernel(inline=True)
def both(a: DeviceArray[f32]) -> f32: #< either returns or writes
    a[0] = 1.0
    return a[1]
@kernel
def k(a: DeviceArray[f32]):
    a[0] = both(a)
===
@kernel(inline=True)
def room(x: f32):
    t = shared(f32, 8) #< shared() in a kernel that is launched
    t[0] = x
@kernel
def k(a: DeviceArray[f32]):
    room(a[0])
===
Two = TypeVar("Two", f32, f64)
@kernel(inline=True)
def generic(x: Two) -> Two:
    return x
@kernel
def k(b: DeviceArray[i32]):
    b[0] = generic(b[0]) #< Two of generic to be one of f32, f64
===
@kernel
def k(x: f32, x: f32): #< parameters of different names
    pass
"""
"""Whole kernels, parted by ===."""


def cases() -> list[tuple[str, int, str]]:
    """Return (source, the line that is refused, words of the refusal) for each kernel."""
    found = []
    for text in BODIES.strip("\n").split("\n===\n"):
        found.append(IMPORTS + HEAD + "".join(f"    {line}\n" for line in text.split("\n")))
    found += [IMPORTS + text + "\n" for text in WHOLE.strip("\n").split("\n===\n")]
    return [(source, *_mark(source)) for source in found]


def _mark(source: str) -> tuple[int, str]:
    [(line, text)] = [(at, one) for at, one in enumerate(source.split("\n"), 1) if "#<" in one]
    return line, text.partition("#< ")[2]
