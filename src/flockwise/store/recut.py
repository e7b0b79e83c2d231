"""Taking out of a store what a list of sensitive places covers: every segment is written anew without those rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from flockwise.governance.places import Suppression
from flockwise.store.layout import seal_pings
from flockwise.store.manifest import Segment
from flockwise.store.runner import ProgressFn
from flockwise.store.sealing import Sealer
from flockwise.store.writing import write_file

__all__ = ["recut"]


def recut(
    old: Sequence[Segment],
    names: Sequence[str],
    load: Callable[[str], pa.Table],
    sealer: Sealer,
    suppress: Suppression,
    folder: Path,
    threads: int,
    progress: ProgressFn | None,
) -> list[Segment]:
    """The same segments under new names, without the rows that are covered.

    Memory: for each thread the rows of one bucket of one segment, and once more what is kept of them.

    Args:
        old: segments.
        names: of the new ones.
        load: reads a file, by the name of its segment and its own.
        sealer: encrypts the new files.
        suppress: the list.
        folder: where a folder of each new segment goes; durable on return.
        threads: workers.
        progress: told ("places", files done, files in all).

    Privacy:
        Whether a row stays depends on its own position and instant, and on public facts. How many went is told to nobody.
    """
    work = [(segment, name, file) for segment, name in zip(old, names, strict=True) for file in segment.files]
    for name in names:
        (folder / name).mkdir(mode=0o700)

    def one(item: tuple[Segment, str, str]) -> tuple[str, str] | None:
        segment, name, file = item
        table = load(f"{segment.name}/{file}")
        lat, lon, t = (table[c].to_numpy() for c in ("lat_e6", "lon_e6", "t_us"))
        table = table.filter(pa.array(suppress(lat.astype(np.int32), lon.astype(np.int32), t.astype(np.int64)) == 0))
        if not table.num_rows:
            return None
        write_file(folder / name / file, seal_pings(sealer, table, f"{name}/{file}"))
        return name, file

    kept: dict[str, list[str]] = {name: [] for name in names}
    with ThreadPoolExecutor(threads, "flockwise-places") as pool:
        try:
            for done, found in enumerate(pool.map(one, work), start=1):
                if found is not None:
                    kept[found[0]].append(found[1])
                if progress is not None:
                    progress("places", done, len(work))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [Segment(name, tuple(sorted(kept[name])), segment.deliveries) for segment, name in zip(old, names, strict=True)]
