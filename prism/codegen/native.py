"""Machine code as bytes: a Numba function becomes an object file, which any process links without Numba.

A compiled function takes the address of one record of 64-bit words and returns an int64, so that a call costs no more
than the call; what the words mean is its writer's business. Symbols that an object file needs are those of the C
library; one that needs others is refused when it is linked.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import llvmlite
import llvmlite.binding as llvm

from prism.errors import PrismError

if TYPE_CHECKING:
    from prism.codegen.prelude import Library

ENTRY: Final = "prism_kernel"
_numbers = itertools.count()


class LinkError(PrismError):
    """Bytes are not machine code that this process can run."""


def compile_entry(source: str, name: str, functions: Library | None = None) -> bytes:
    """Return the object file of a source's function `kernel(record)`, for this machine's processor.

    source: a module that Numba can compile, without imports: `math`, `np`, `numba`, its `types`, llvmlite's `ir` are
    there, and the decorator `inner` for the functions that `kernel` calls. functions: what it may call besides, which
    a process compiles once for each types of arguments, not once for each source: most of the cost of a short one.
    record: a pointer to uint64 words. Nothing in it may raise. Cost: importing Numba (0.5 s) and compiling (0.5 s on).
    """
    import numba
    from numba import types

    scope = {**_scope(tuple((functions or {}).values())), "__name__": name}
    exec(compile(source, f"<{name}>", "exec"), scope)
    signature = types.int64(types.CPointer(types.uint64))
    compiled = numba.cfunc(signature, error_model="numpy")(scope["kernel"])
    function = compiled.native_name.removeprefix("cfunc.")
    module = llvm.parse_assembly(compiled.inspect_llvm() + _entry(function))
    for value in itertools.chain(module.functions, module.global_variables):
        if not value.is_declaration and value.name != ENTRY:
            value.linkage = "internal"
    machine = _machine()
    passes = llvm.create_new_module_pass_manager()
    # What nothing calls any more: the entry that Numba makes, which reports exceptions through Python.
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3)))
    return machine.emit_object(module)


@functools.cache
def _scope(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return the names that sources find, with the functions that texts define: those are compiled when called."""
    import numba
    import numpy as np
    from llvmlite import ir
    from numba import types

    # Functions that others call need no entries for Python and C.
    njit: Any = numba.njit
    inner = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
    scope: dict[str, Any] = {"inner": inner, "ir": ir, "math": math, "np": np, "numba": numba, "types": types}
    scope["__name__"] = "prism_functions"
    exec(compile("\n\n\n".join(dict.fromkeys(texts)), "<functions>", "exec"), scope)
    return scope


def _entry(function: str) -> str:
    """Return the entry: it calls what Numba made of `kernel`, which stores its result and says whether it raised."""
    return f"""
define i64 @{ENTRY}(ptr %record) {{
  %result = alloca i64
  %exception = alloca ptr
  %raised = call i32 @{function}(ptr %result, ptr %exception, ptr %record)
  %answer = load i64, ptr %result
  ret i64 %answer
}}
"""


class Code:
    """Linked machine code; `address` is that of the entry, which lives as long as this object."""

    __slots__ = ("_tracker", "address", "call", "call_briefly")

    def __init__(self, object_file: bytes) -> None:
        """Link an object file. LinkError for bytes that are none, or that need symbols which are not there."""
        builder = llvm.JITLibraryBuilder().add_object_img(object_file).add_current_process().export_symbol(ENTRY)
        try:
            # A name of its own: libraries of one linker must not share one.
            self._tracker = builder.link(_linker(), f"prism_{next(_numbers)}")
        except RuntimeError as error:
            raise LinkError(f"machine code must link into this process, but: {error}; compile it again") from error
        self.address: int = self._tracker[ENTRY]
        self.call: Callable[[Any], int] = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(self.address)
        """Calls the entry with a record's address as `ctypes.c_void_p`; other threads run meanwhile."""
        self.call_briefly: Callable[[Any], int] = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(self.address)
        """The same, but no other thread of Python's runs meanwhile: for runs of a microsecond."""


@functools.cache
def toolchain() -> tuple[tuple[str, str], ...]:
    """Return what machine code depends on besides its source: (name, version) of compilers and processor."""
    llvm_version = ".".join(map(str, llvm.llvm_version_info))
    packages = (("numba", _numba_version()), ("llvmlite", llvmlite.__version__))
    target = (("triple", llvm.get_process_triple()), ("processor", llvm.get_host_cpu_name()), ("features", _features()))
    return (*packages, ("llvm", llvm_version), *target)


def _numba_version() -> str:
    """Return the version that Numba's own file states: importing Numba, or the registry of packages, takes longer than
    all that a process needs to run an artefact.
    """
    spec = find_spec("numba")
    file = Path(spec.origin or "").with_name("_version.py") if spec is not None else Path()
    found = re.search(r'"version": "([^"]+)"', file.read_text(encoding="utf-8")) if file.is_file() else None
    if found is not None:
        return found[1]
    from importlib.metadata import version

    return version("numba")


def _features() -> str:
    return llvm.get_host_cpu_features().flatten()


def _machine() -> llvm.TargetMachine:
    _initialise()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=_features(), opt=3, jit=True)


@functools.cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@functools.cache
def _linker() -> Any:
    return llvm.create_lljit_compiler(_machine())
