"""The files of pings: each chunk's rows are dealt to all of them, chunk after chunk."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from flockwise.simulate._chunk import Chunk
from flockwise.simulate._observe import NULL_DEVICE, NULL_PLACE, NULL_TIME, unpack
from flockwise.simulate._people import NO_CONSENT
from flockwise.simulate._settings import Settings
from flockwise.simulate._truth import UTC_US
from flockwise.simulate._types import I32

FIELDS: list[pa.Field[Any]] = [
    pa.field("device_id", pa.int64()),
    pa.field("ts", UTC_US),
    pa.field("lat", pa.float64()),
    pa.field("lon", pa.float64()),
    pa.field("accuracy_m", pa.float32()),
    pa.field("consented_at", UTC_US),
    pa.field("opted_out", pa.bool_()),
]
SCHEMA = pa.schema(FIELDS)
REPEATED: Any = ["device_id", "consented_at", "accuracy_m"]


class Deal:
    """Ping files that several threads fill; chunks enter each file in order, so that the bytes do not depend on the threads."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        compression: Any = settings.compression
        self._writers = [
            pq.ParquetWriter(
                folder / f"part-{i:03d}.parquet",
                SCHEMA,
                compression=compression,
                compression_level=1 if compression == "zstd" else None,
                use_dictionary=REPEATED,
                write_statistics=False,
            )
            for i in range(settings.files)
        ]
        self._turn = [0] * settings.files
        self._changed = threading.Condition()
        self._failed = False

    def write(self, index: int, chunk: Chunk) -> None:
        """Write a chunk's share to each file when its turn comes."""
        files, n = len(self._writers), len(chunk.order)
        for f in range(files):
            part = chunk.order[n * f // files : n * (f + 1) // files]
            table = _table(chunk, part) if len(part) else None
            with self._changed:
                self._changed.wait_for(lambda f=f: self._failed or self._turn[f] == index)  # type: ignore[misc]  # mypy can't infer a lambda with a default
                if self._failed:
                    return
            if table is not None:
                self._writers[f].write_table(table, row_group_size=len(part))
            with self._changed:
                self._turn[f] = index + 1
                self._changed.notify_all()

    def fail(self) -> None:
        """Let every waiting thread go: another one has failed."""
        with self._changed:
            self._failed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Finish all files."""
        for writer in self._writers:
            writer.close()


def _table(chunk: Chunk, part: I32) -> pa.Table:
    n = len(part)
    device, t_us, consented = (np.empty(n, np.int64) for _ in range(3))
    lat, lon, accuracy = np.empty(n), np.empty(n), np.empty(n, np.float32)
    opted_out, flaw = np.empty(n, np.uint8), np.empty(n, np.uint8)
    unpack(part, chunk.rows, chunk.people, device, t_us, lat, lon, accuracy, consented, opted_out, flaw)
    no_place = flaw == NULL_PLACE
    return pa.table(
        [
            _nullable(device, flaw == NULL_DEVICE),
            _nullable(t_us, flaw == NULL_TIME).view(UTC_US),
            _nullable(lat, no_place),
            _nullable(lon, no_place),
            pa.array(accuracy),
            _nullable(consented, consented == NO_CONSENT).view(UTC_US),
            pa.Array.from_buffers(pa.bool_(), n, [None, pa.py_buffer(np.packbits(opted_out, bitorder="little").tobytes())]),
        ],
        schema=SCHEMA,
    )


def _nullable(values: npt.NDArray[np.int64] | npt.NDArray[np.float64], missing: npt.NDArray[np.bool_]) -> pa.Array[Any]:
    """An Arrow array of a numpy array without copying it."""
    kind = pa.from_numpy_dtype(values.dtype)
    valid = pa.py_buffer(np.packbits(~missing, bitorder="little").tobytes()) if missing.any() else None
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(values.data)])
