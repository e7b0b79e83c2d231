"""How the kernels are compiled: ahead of the first row, for one signature each, kept on disk.

numba's cache looks at the file of the compiled function only, not at what it calls. A kernel therefore calls nothing outside its own file: otherwise a
change in the callee would leave old machine code in use, bounding included. tests/unit/person/test_jit.py holds every kernel to that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit, types

__all__ = ["I32", "I32_IN", "I64", "I64_IN", "PAIR", "U8", "inner", "kernel"]

P = ParamSpec("P")
R = TypeVar("R")

I64_IN = types.Array(types.int64, 1, "C", readonly=True)
"""An int64 array that is only read (Arrow's are read-only)."""
I32_IN = types.Array(types.int32, 1, "C", readonly=True)
"""An int32 array that is only read."""
I32 = types.Array(types.int32, 1, "C")
"""An int32 array that is written."""
I64 = types.Array(types.int64, 1, "C")
"""An int64 array that is written."""
U8 = types.Array(types.uint8, 1, "C")
"""A byte array that is written."""
PAIR: Any = types.UniTuple(types.int64, 2)  # type: ignore[no-untyped-call]  # numba has no types
"""Two numbers."""


def kernel(returns: Any, *takes: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compiles a function for one signature; it releases the interpreter lock. Floating point stays strict, so results do not depend on the machine's mood."""
    return cast("Callable[[Callable[P, R]], Callable[P, R]]", njit(returns(*takes), cache=True, nogil=True, fastmath=False))


def inner(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles a helper of a kernel in the same file."""
    return cast("Callable[[Callable[P, R]], Callable[P, R]]", njit(nogil=True, fastmath=False))(function)
