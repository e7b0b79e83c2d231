"""numba without its typing gaps, and the random stream that every kernel of the simulator draws from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from flockwise.simulate._types import I32, U64

Function = TypeVar("Function", bound=Callable[..., Any])
_njit: Any = numba.njit  # its own annotations leave out some options, and hide the function's type


def kernel(function: Function) -> Function:
    """Compile a function that Python calls: it releases the interpreter lock, and its machine code is cached.

    The cache looks at the function's own file alone: after a change in a `helper`, touch the files of the kernels that use it.
    """
    compiled: Function = _njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled


def helper(function: Function) -> Function:
    """Compile a function that only kernels call; without an entry for Python it compiles faster."""
    compiled: Function = _njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, error_model="numpy")(function)
    return compiled


# SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"): one 64-bit counter a device makes every device's draws
# independent of chunks and threads.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT = 2.0**-53
# what a stream of a device is for
WHO, WHERE, DAYS, COUNTS, PINGS, TOWNS, ORDER = (np.uint64(k) for k in range(1, 8))


@helper
def mix(z: np.uint64) -> np.uint64:
    """A well-mixed 64-bit value of another (a bijection)."""
    z = (z ^ (z >> _S30)) * _MIX_A
    z = (z ^ (z >> _S27)) * _MIX_B
    return z ^ (z >> _S31)


@helper
def start(s: U64, seed: np.uint64, device: int, stream: np.uint64) -> None:
    """Set the stream `s` (one uint64) to its beginning for one device and purpose."""
    s[0] = mix(mix(seed ^ mix(stream + _GAMMA)) + np.uint64(device) * _GAMMA)


@helper
def uniform(s: U64) -> float:
    """A number in [0, 1)."""
    s[0] = s[0] + _GAMMA
    return float(mix(s[0]) >> _S11) * _UNIT


@helper
def below(s: U64, n: float) -> int:
    """An integer from 0 to n - 1; n is a float because numba compiles a helper anew for every integer constant that it is called with."""
    return int(uniform(s) * n)


@helper
def exponential(s: U64, mean: float) -> float:
    """An exponential number with a mean."""
    return float(-mean * np.log(1.0 - uniform(s)))


@helper
def normal(s: U64, mean: float, sd: float) -> float:
    """A normal number (Box and Muller 1958; the second of the pair is not kept)."""
    radius = np.sqrt(-2.0 * np.log(1.0 - uniform(s)))
    return float(mean + sd * radius * np.cos(2.0 * np.pi * uniform(s)))


@helper
def geometric(s: U64, mean: float) -> int:
    """A whole number of at least 1 with a mean, geometrically distributed."""
    if mean <= 1.0:
        return 1
    return 1 + int(np.log(1.0 - uniform(s)) / np.log(1.0 - 1.0 / mean))


@helper
def poisson(s: U64, mean: float) -> int:
    """A Poisson number; above a mean of 60 by the normal approximation, which is close enough for a simulation."""
    if mean > 60.0:
        return int(max(0.0, normal(s, mean, np.sqrt(mean)) + 0.5))
    count, total = 0, exponential(s, 1.0)
    while total < mean:
        count += 1
        total += exponential(s, 1.0)
    return count


@kernel
def shuffle(order: I32, seed: np.uint64, chunk: int) -> None:
    """Fill `order` with a random permutation (Fisher and Yates)."""
    s = np.empty(1, np.uint64)
    start(s, seed, chunk, ORDER)
    for i in range(len(order)):
        j = below(s, i + 1.0)
        order[i] = order[j]
        order[j] = i
