"""What the store keeps of a ping: a place to some 5 m, a whole second, a whole metre of accuracy. The least that the statistics need (decision 50).

The door decides on what the supplier sent, and a row's cell is that of its full position. Only what rests in the store is coarser.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["GRID_E6", "METRE_DM", "MOVED_M", "SECOND_US", "coarse"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]

GRID_E6 = 50
"""Millionths of a degree between two latitudes that the store tells apart, 5.6 m; between two longitudes so many, or two or four times as many."""
SECOND_US = 1_000_000
METRE_DM = 10

MOVED_M = 4.1
"""More than any position moves: half a step north or south (at most 2.80 m on WGS 84) and half a step east or west (2.80 m), together 3.96 m; and what two
distances to a place may be off (0.06 m each)."""

# Where a degree of longitude is half, and a quarter, as long as at the equator. Every step divides 180 degrees: the grid has no seam.
_HALF_E6, _QUARTER_E6 = 60_000_000, 75_522_488


def coarse(t_us: Ints, lat_e6: Ints32, lon_e6: Ints32, accuracy_dm: Ints32) -> Ints:
    """Rounds positions to the nearest point of the grid and accuracies up to the metre, in place.

    Args:
        t_us: UTC microseconds, left as they are.
        lat_e6: millionths of a degree, within +-90,000,000.
        lon_e6: millionths of a degree, within +-180,000,000.
        accuracy_dm: decimetres, -1 for unknown. Rounded up: no position is said to be better than it was.

    Returns:
        The times, down to the second: windows, slots and gatherings begin with whole seconds, so that no ping changes sides.

    Privacy: a function of one row. What is rounded again stays as it is.

    Example:
        >>> place = [np.array([v], np.int32) for v in (40_712_774, -74_006_026, 41)]
        >>> coarse(np.array([1_999_999]), *place).tolist(), [int(v[0]) for v in place]
        ([1000000], [40712750, -74006050, 50])
    """
    out = np.empty(len(t_us), np.int64)
    _coarse(t_us, lat_e6, lon_e6, accuracy_dm, out)
    return out


@njit(nogil=True, cache=True)
def _coarse(t_us: Ints, lat_e6: Ints32, lon_e6: Ints32, accuracy_dm: Ints32, out: Ints) -> None:
    for i in range(len(t_us)):
        t = t_us[i]
        out[i] = t - t % SECOND_US
        y = np.int64(lat_e6[i]) + GRID_E6 // 2
        y -= y % GRID_E6
        lat_e6[i] = y
        step = GRID_E6  # by the rounded latitude, so that rounding again changes nothing
        if abs(y) >= _HALF_E6:
            step = 4 * GRID_E6 if abs(y) >= _QUARTER_E6 else 2 * GRID_E6
        x = np.int64(lon_e6[i]) + step // 2
        lon_e6[i] = x - x % step
        a = np.int64(accuracy_dm[i])
        if a > 0:
            a += METRE_DM - 1
            accuracy_dm[i] = a - a % METRE_DM
