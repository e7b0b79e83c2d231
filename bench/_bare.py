"""An ingest without governance and without encryption, for door.py alone: in this process the product's own parts that guard are exchanged for nothing.

What is left any pipeline has to do: read the columns, find the cell, drop what can't be read or lies outside of window and region, gather rows by device,
sort them, drop duplicates, write Parquet. The product has no such switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flockwise import config, person
from flockwise.governance import DoorRules, judge, places
from flockwise.store import Store, ingest, intake, pseudonym, sealing, settling

SPREAD = np.int64(-7046029254386353131)  # 2^64 / the golden ratio: devices are told apart, and spread over buckets, by a product


class _Plain:
    """In place of SpillSeal: the same bytes and the same room, in the clear."""

    OVERHEAD = sealing.SpillSeal.OVERHEAD

    def seal(self, data: memoryview, place: int) -> bytes:
        return bytes(data) + bytes(self.OVERHEAD)

    def unseal(self, data: bytes | memoryview, place: int) -> bytes:
        return bytes(data[: -self.OVERHEAD])


def bare(study_path: Path, source: str) -> dict[str, int]:
    """Takes the pings in without a guard. This process is of no other use afterwards."""
    limits = DoorRules(np.iinfo(np.int64).min, np.iinfo(np.int64).max, 2_000_000_000)

    def unguarded(rows: Any, rules: DoorRules, find: Any, suppress: Any) -> Any:
        return judge(rows, DoorRules(rules.start_us, rules.end_us, limits.accuracy_dm), find, None)

    def plain(self: Any, table: pa.Table, name: str, dictionary: Sequence[str] = (), differences: Sequence[str] = ()) -> memoryview:
        sink, columns = pa.BufferOutputStream(), list(dictionary)
        options: dict[str, Any] = {"use_dictionary": columns, "write_statistics": False, "row_group_size": 1 << 20, "write_batch_size": 1 << 16}
        options["column_encoding"] = dict.fromkeys(differences, "DELTA_BINARY_PACKED") or None
        pq.write_table(table, sink, compression="none", **options)
        return memoryview(sink.getvalue())

    def same(self: Any, high: Any, low: Any) -> Any:
        return high, low

    patched: list[tuple[Any, str, Any]] = [
        (intake, "judge", unguarded),
        (ingest, "SpillSeal", _Plain),
        (sealing.Sealer, "seal", plain),
        (pseudonym.Pseudonyms, "of_integers", lambda self, ids: (ids * SPREAD, ids)),
        (pseudonym.Pseudonyms, "bases", same),
        (pseudonym.Pseudonyms, "of_bases", same),
        (settling, "reasons_in", lambda sets, high, low: np.zeros(len(high), np.uint8)),
    ]
    for where, name, other in patched:
        if not hasattr(where, name):
            raise SystemExit(f"{name} is gone: this bench has to be brought up to date")
        setattr(where, name, other)
    study = config.load(study_path)
    report = Store.create(study).ingest([source], partial(person.order, rules=person.rules_for(study)), places.reviewed(study))
    return {"stored": report.stored}
