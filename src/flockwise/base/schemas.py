"""Arrow schemas of what flows between the stages inside the process."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["CONTRIBUTIONS", "PING_ORDER", "STORED_PINGS"]

STORED_PINGS = pa.schema(
    [
        pa.field("device_hi", pa.int64(), nullable=False),
        pa.field("device_lo", pa.int64(), nullable=False),
        pa.field("t_us", pa.int64(), nullable=False),
        pa.field("lat_e6", pa.int32(), nullable=False),
        pa.field("lon_e6", pa.int32(), nullable=False),
        pa.field("accuracy_dm", pa.int32(), nullable=False),
        pa.field("cell", pa.int64(), nullable=False),
    ]
)
"""Pings inside the store: pseudonym in two halves, UTC microseconds, millionths of a degree, decimetres (-1: unknown), H3 cell at the store's level."""

PING_ORDER = ("device_hi", "device_lo", "t_us", "cell", "lat_e6", "lon_e6", "accuracy_dm")
"""The total order of pings. Rows that tie in all of it are the same ping."""

CONTRIBUTIONS = pa.schema(
    [
        pa.field("block", pa.int16(), nullable=False),
        pa.field("key", pa.int64(), nullable=False),
        pa.field("value", pa.int64(), nullable=False),
    ]
)
"""Bounded contributions: which block of the release, which position in its public domain, how many grid units (256 to one)."""
