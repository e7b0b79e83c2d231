"""The files of pings: each chunk's rows are dealt to all of them, chunk after chunk."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from flockwise.simulate._chunk import Chunk
from flockwise.simulate._observe import NULL_DEVICE, NULL_PLACE, NULL_TIME
from flockwise.simulate._people import NO_CONSENT
from flockwise.simulate._settings import Settings
from flockwise.simulate._truth import UTC_US
from flockwise.simulate._types import I64

SCHEMA = pa.schema(
    [
        pa.field("device_id", pa.int64()),
        pa.field("ts", UTC_US),
        pa.field("lat", pa.float64()),
        pa.field("lon", pa.float64()),
        pa.field("accuracy_m", pa.float32()),
        pa.field("consented_at", UTC_US),
        pa.field("opted_out", pa.bool_()),
    ]
)
REPEATED = ["device_id", "consented_at", "accuracy_m"]


class Deal:
    """Ping files that several threads fill; chunks enter each file in order, so that the bytes do not depend on the threads."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        compression = settings.compression
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


def _table(chunk: Chunk, part: I64) -> pa.Table:
    people, rows = chunk.people, chunk.rows
    device = rows.device[part]
    flaw = rows.flaw[part]
    consented = people.consented_us[device]
    no_place = flaw == NULL_PLACE
    return pa.table(
        [
            _nullable(people.device[device], flaw == NULL_DEVICE),
            _nullable(rows.t_us[part], flaw == NULL_TIME).view(UTC_US),
            _nullable(rows.lat[part], no_place),
            _nullable(rows.lon[part], no_place),
            pa.array(rows.accuracy_m[part]),
            _nullable(consented, consented == NO_CONSENT).view(UTC_US),
            _bits(people.opted_out[device] == 1),
        ],
        schema=SCHEMA,
    )


def _nullable(values: npt.NDArray[np.int64] | npt.NDArray[np.float64], missing: npt.NDArray[np.bool_]) -> pa.Array:
    """An Arrow array of a numpy array without copying it."""
    kind = pa.from_numpy_dtype(values.dtype)
    valid = pa.py_buffer(np.packbits(~missing, bitorder="little").tobytes()) if missing.any() else None
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(np.ascontiguousarray(values))])


def _bits(values: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(np.packbits(values, bitorder="little").tobytes())])
