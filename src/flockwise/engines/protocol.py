"""What an engine is, and what it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pyarrow as pa

from flockwise.person import Rules, Sums

__all__ = ["Engine", "PingSource", "ProgressFn"]

ProgressFn = Callable[[str, int, int], None]
"""Called with the stage's name, how many steps are done, and how many there are."""


class PingSource(Protocol):
    """Buckets of complete devices: a store, or anything that reads like one. `read` may be called from several threads."""

    def buckets(self) -> list[int]:
        """The buckets there are: a public list, set by configuration."""
        ...

    def read(self, bucket: int) -> pa.Table:
        """STORED_PINGS of every device of a bucket, all of its rows."""
        ...


class Engine(Protocol):
    """Runs the one person stage over every bucket."""

    def sum(self, source: PingSource, rules: Rules, progress: ProgressFn | None = None) -> Sums:
        """The exact sums of the finest levels by block, as `person.empty_sums` shapes them."""
        ...
