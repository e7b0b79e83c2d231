"""Short names of the array types in the simulator's signatures."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
I16 = npt.NDArray[np.int16]
I8 = npt.NDArray[np.int8]
U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]


def whole(value: int) -> int:
    """A numpy integer of an integer: numba compiles a helper anew for every plain integer constant that it is called with, but once for these."""
    return cast("int", np.int64(value))
