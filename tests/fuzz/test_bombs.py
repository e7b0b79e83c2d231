"""Small files that would be huge: refused, or read in memory that does not grow with them. Each in a process of its own, whose peak is measured."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

import flockwise

ROOTS = [str(Path(flockwise.__file__).parents[1]), str(Path(__file__).parents[2])]
MB = 1 << 20
LIMIT_MB = 900
"""Peak of the whole process, libraries (about 300) and buffers of an ingest (256) included."""

_INGEST = """
import json, sys
from functools import partial
from pathlib import Path
from flockwise import person
from flockwise.errors import FlockwiseError, InternalError
from tests.unit.store import _made

path, name = Path(sys.argv[1]), sys.argv[2]
text = {"device_type": "text", "time_format": "iso8601"} if ".csv" in name else {"device_type": "text"}
store = _made.store(path / "study", input=text)
order = partial(person.order, rules=person.rules_for(_made.study(path / "study", input=text)))
code = None
try:
    store.ingest([str(path / name)], order, _made.SIMULATED, memory_mb=256)
except InternalError:
    raise
except FlockwiseError as error:
    code = error.code
print(json.dumps([code, int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024]))
"""

HEAD = b"device_id,ts,lat,lon\n"
ROW = b"a,2026-03-02T00:00:00Z,40.7,-74.0\n"


def one_line(path: Path) -> None:
    """600 MB in one field, 0.6 MB compressed."""
    with gzip.open(path / "bomb.csv.gz", "wb", compresslevel=1) as file:
        file.write(HEAD)
        for _ in range(600):
            file.write(b"a" * MB)


def one_row_again(path: Path) -> None:
    """A row of 34 bytes fifteen million times: 500 MB, 50 kB compressed."""
    with (path / "bomb.csv.zst").open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as out:
        out.write(HEAD)
        for _ in range(500):
            out.write(ROW * 30_000)


def one_device(path: Path) -> None:
    """Three million different pings of one device, a third of which the store keeps."""
    days = [np.datetime_as_string(np.datetime64("2026-03-02T00:00:00.000000") + k * 4_000_003, unit="us").item() for k in range(30_000)]
    with (path / "bomb.csv.zst").open("wb") as file, zstandard.ZstdCompressor(level=3).stream_writer(file) as out:
        out.write(HEAD)
        for k in range(100):
            out.write("".join(f"a,{t}Z,40.7{k:02d}1,-74.0\n" for t in days).encode())


def zeros(path: Path) -> None:
    """600 MB of zero bytes."""
    with (path / "bomb.csv.zst").open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as out:
        for _ in range(600):
            out.write(bytes(MB))


def one_value(path: Path) -> None:
    """A text of 256 kB in every one of 20,000 rows: 5 GB, of which the file holds one."""
    n = 20_000
    device = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array(["a" * (256 << 10)]))
    table = pa.table({"device_id": device, "ts": pa.array([1_772_409_600_000_000] * n, pa.timestamp("us", "UTC")), "lat": [40.7] * n, "lon": [-74.0] * n})
    pq.write_table(table, path / "bomb.parquet", store_schema=False)


@pytest.mark.parametrize(
    ("make", "name"),
    [(one_line, "bomb.csv.gz"), (one_row_again, "bomb.csv.zst"), (one_device, "bomb.csv.zst"), (zeros, "bomb.csv.zst"), (one_value, "bomb.parquet")],
)
def test_a_delivery_that_unpacks_to_much_more(make: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    make(tmp_path)
    assert (tmp_path / name).stat().st_size < 8 * MB
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)}
    done = subprocess.run([sys.executable, "-c", _INGEST, str(tmp_path), name], capture_output=True, text=True, timeout=300, check=False, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    code, peak = json.loads(done.stdout.splitlines()[-1])
    assert code in (("INGEST_BROKEN_FILE", "INGEST_MISSING_COLUMN") if make is zeros else (None,))
    assert peak < LIMIT_MB, f"{peak:.0f} MB"
