"""H3 cells as int64, and the parts of their algebra that are exact bit operations.

After indexing no stage needs an H3 library: bit 63 of a cell is never set, so int64 holds it, and a parent is the cell with its resolution field
lowered and the digits below filled with ones (H3 index layout: 4 bits of mode, 4 of resolution, 7 of base cell, 15 digits of 3 bits).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["from_hex", "parent", "resolution_of", "to_hex"]

Cells = npt.NDArray[np.int64]

_RESOLUTION_SHIFT = 52
_RESOLUTION_MASK = 15 << _RESOLUTION_SHIFT


def resolution_of(cells: npt.ArrayLike) -> Cells:
    """The H3 resolution (0 to 15) of each cell.

    Example:
        >>> resolution_of([0x872a1072bffffff]).tolist()
        [7]
    """
    return (np.asarray(cells, dtype=np.int64) >> _RESOLUTION_SHIFT) & 15


def parent(cells: npt.ArrayLike, resolution: int) -> Cells:
    """The ancestors of cells at a coarser resolution, in the order given.

    Args:
        cells: H3 cells as int64, all at `resolution` or finer.
        resolution: 0 to 15.

    Raises:
        ValueError: a cell is coarser than `resolution`.

    Example:
        >>> to_hex(parent([0x872a1072bffffff], 5))
        ['852a1073fffffff']
    """
    array = np.asarray(cells, dtype=np.int64)
    if array.size and int(resolution_of(array).min()) < resolution:
        raise ValueError(f"a cell is coarser than resolution {resolution}")
    tail = (1 << (3 * (15 - resolution))) - 1
    lifted: Cells = (array & ~_RESOLUTION_MASK) | (resolution << _RESOLUTION_SHIFT) | tail
    return lifted


def to_hex(cells: Iterable[int] | Cells) -> list[str]:
    """Cells in the usual text form.

    Example:
        >>> to_hex([0x872a1072bffffff])
        ['872a1072bffffff']
    """
    return [f"{int(c):x}" for c in cells]


def from_hex(texts: Iterable[str]) -> Cells:
    """Cells from their text form, as int64.

    Example:
        >>> from_hex(["872a1072bffffff"]).tolist() == [0x872a1072bffffff]
        True
    """
    return np.array([int(t, 16) for t in texts], dtype=np.int64)
