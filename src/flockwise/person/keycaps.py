"""Caps for tables whose keys are not public facts: how many keys a device adds to, and how much to each. Proof: docs/claims/fallback.md."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Additions", "cap_keys", "key_tags"]

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


class Additions(NamedTuple):
    """What devices add to keys: one row for each device (its number in the batch) and key; values in grid units, 0 or more."""

    device: Ints
    key: Ints
    value: Ints


def key_tags(secret: bytes, high: Ints, low: Ints, key: Ints) -> Words:
    """A keyed hash of each row's device and key, and of nothing else: it decides which keys of a device are kept.

    Args:
        secret: 16 to 64 bytes, the data set's.
        high: high halves of the pseudonyms, one a row.
        low: low halves.
        key: keys.

    Returns:
        64-bit tags.

    Source:
        RFC 7693 (BLAKE2b in its keyed mode).

    Example:
        >>> one = np.array([1, 1, 2], dtype=np.int64)
        >>> len(set(key_tags(bytes(16), one, one, np.array([7, 8, 7], dtype=np.int64)).tolist()))
        3
    """
    rows = np.stack([high, low, key], axis=1).astype(">i8")
    return np.array([int.from_bytes(blake2b(row.tobytes(), digest_size=8, key=secret).digest()) for row in rows], dtype=np.uint64)


def cap_keys(rows: Additions, tag: Words, keys: int, units: int) -> Additions:
    """For each device: adds up the rows of a key, leaves out what is zero, keeps the `keys` keys with the lowest tags, and lowers what is above `units`.

    Whole numbers only. What is kept of a device depends on its own rows and tags alone, not on other devices or the order of rows.

    Args:
        rows: all rows of the devices in them, in any order. A key may come in several rows of a device: each for itself would pass the caps.
        tag: `key_tags` of the rows.
        keys: most keys of a device, L0.
        units: most grid units for a key, L-infinity.

    Returns:
        By device and then key; every value is 1 or more.

    Privacy:
        What is lowered later, by the joint clip, stays within these caps. Zeros that arise there are left out when sums are zero (`noise.draw_fallback`).

    Example:
        >>> rows = Additions(*(np.array(column, dtype=np.int64) for column in ([0, 0, 0, 0], [5, 6, 7, 8], [0, 900, 1, 2])))
        >>> capped = cap_keys(rows, np.array([1, 4, 2, 3], dtype=np.uint64), keys=2, units=256)
        >>> capped.key.tolist(), capped.value.tolist()
        ([7, 8], [1, 2])
    """
    order = np.lexsort((rows.key, tag, rows.device))
    order = order[rows.value[order] > 0]
    device, key, value = (column[order] for column in rows)
    once = _starts(device, key)
    # Lowered before they are added up, too, so that no sum overflows.
    value = np.minimum(np.add.reduceat(np.minimum(value, units), once), units) if len(once) else value
    device, key = device[once], key[once]
    first = _starts(device)
    rank = np.arange(len(device)) - np.repeat(first, np.diff(np.append(first, len(device))))
    kept = np.flatnonzero(rank < keys)
    kept = kept[np.lexsort((key[kept], device[kept]))]
    return Additions(device[kept], key[kept], value[kept])


def _starts(*columns: Ints) -> Ints:
    """Where a run of rows that agree in all columns begins."""
    changes = np.zeros(max(len(columns[0]) - 1, 0), dtype=np.bool_)
    for column in columns:
        changes |= column[1:] != column[:-1]
    return np.flatnonzero(np.append(True, changes)[: len(columns[0])])
