"""The buckets of a store as they are at one moment, in a form that can be sent to another process: it opens files of the store and can do nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flockwise.base.schemas import STORED_PINGS
from flockwise.errors import StoreError
from flockwise.store.layout import unseal_pings
from flockwise.store.manifest import damaged
from flockwise.store.optouts import OptOuts
from flockwise.store.sealing import BrokenSealError, Sealer

__all__ = ["SEGMENTS", "Buckets"]

SEGMENTS = "segments"


@dataclass(frozen=True)
class Buckets:
    """Buckets of complete devices. It carries the key of the files: neither the master key nor the key of the pseudonyms.

    Args:
        root: folder of the store; it need not be there where files are handed over.
        count: number of buckets.
        segments: names of the segments, each with its files.
        sealer: opens the files.
        opted_out: devices whose rows are left out.
    """

    root: Path
    count: int
    segments: tuple[tuple[str, frozenset[str]], ...]
    sealer: Sealer
    opted_out: OptOuts

    def buckets(self) -> list[int]:
        """Numbers of the buckets: a public range, set when the store was made."""
        return list(range(self.count))

    def files(self, bucket: int) -> list[str]:
        """Names of the files of a bucket, from the folder of segments."""
        name = f"{bucket:04d}.parquet"
        return [f"{segment}/{name}" for segment, files in self.segments if name in files]

    def read(self, bucket: int) -> pa.Table:
        """The pings of all devices of a bucket, complete, without those of devices that opted out.

        Returns:
            STORED_PINGS; in PING_ORDER if the store has one segment, else one sorted run per segment after the other.

        Raises:
            StoreError: STORE_DAMAGED.

        Privacy: person-level; only the person stage may see it.
        """
        return self._accepted(load(self.root, self.sealer, name) for name in self.files(bucket))

    def opened(self, bucket: int, contents: dict[str, bytes]) -> pa.Table:
        """The same, from the bytes of the files.

        Args:
            bucket: its number.
            contents: sealed bytes by name. Every file of the bucket must be there; others are passed over.

        Raises:
            StoreError: a file is missing, or isn't what its name says (STORE_DAMAGED).
        """
        missing = [name for name in self.files(bucket) if name not in contents]
        if missing:
            raise damaged(self.root, f"{SEGMENTS}/{missing[0]}: not found")
        return self._accepted(_unsealed(self.root, self.sealer, name, contents[name]) for name in self.files(bucket))

    def _accepted(self, parts: Iterable[pa.Table]) -> pa.Table:
        tables = list(parts)
        if not tables:
            return STORED_PINGS.empty_table()
        table = pa.concat_tables(tables)
        if len(self.opted_out):
            refused = self.opted_out.reasons(table["device_hi"].to_numpy(), table["device_lo"].to_numpy()) > 0
            if refused.any():
                table = table.filter(pa.array(~refused))
        return table


def load(root: Path, sealer: Sealer, name: str) -> pa.Table:
    """What is in a file of a segment.

    Raises:
        StoreError: STORE_DAMAGED.
    """
    try:
        with pa.OSFile(str(root / SEGMENTS / name), "rb") as file:
            return _unsealed(root, sealer, name, file)
    except OSError as error:
        raise _broken(root, name, error) from error


def _unsealed(root: Path, sealer: Sealer, name: str, source: Any) -> pa.Table:
    try:
        return unseal_pings(sealer, source, name)
    except BrokenSealError as error:
        raise _broken(root, name, error) from error


def _broken(root: Path, name: str, error: Exception) -> StoreError:
    return damaged(root, f"{SEGMENTS}/{name}: {type(error).__name__}")
