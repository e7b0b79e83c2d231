"""Merging segments into one, bucket by bucket, and which deliveries can still be replaced as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from flockwise.errors import DataError
from flockwise.store.layout import seal_pings
from flockwise.store.manifest import Manifest, Segment
from flockwise.store.runner import ProgressFn
from flockwise.store.sealing import Sealer
from flockwise.store.settling import OrderFn
from flockwise.store.writing import write_file

__all__ = ["check_replaced", "merge"]


def merge(
    old: Sequence[Segment],
    name: str,
    load: Callable[[str], pa.Table],
    sealer: Sealer,
    order: OrderFn,
    folder: Path,
    threads: int,
    progress: ProgressFn | None,
) -> Segment:
    """One segment with the rows of several; rows that repeat are kept once.

    Memory: for each thread the rows of one bucket, a few times over: less than a release needs.

    Args:
        old: segments.
        name: of the new one.
        load: reads a file, by the name of its segment and its own.
        sealer: encrypts the new files.
        order: `person.order` with the study's rules.
        folder: where the new files go; durable on return.
        threads: workers.
        progress: told ("compact", files done, files in all).
    """
    files = sorted({file for segment in old for file in segment.files})

    def work(file: str) -> None:
        parts = [load(f"{segment.name}/{file}") for segment in old if file in segment.files]
        write_file(folder / file, seal_pings(sealer, order(pa.concat_tables(parts))[0], f"{name}/{file}"))

    with ThreadPoolExecutor(threads, "flockwise-compact") as pool:
        try:
            for done, _ in enumerate(pool.map(work, files), start=1):
                if progress is not None:
                    progress("compact", done, len(files))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Segment(name, tuple(files), tuple(d for segment in old for d in segment.deliveries))


def check_replaced(manifest: Manifest, former: Mapping[str, str]) -> None:
    """Refuses to replace what can't be taken out as a whole.

    Args:
        manifest: of the store.
        former: the files to be replaced: their marks, and their names for messages.

    Raises:
        DataError: a file was never ingested in this way (INGEST_REPLACE_UNKNOWN), or its rows lie in one segment with those of others (INGEST_REPLACE_MIXED).
    """
    unknown = [shown for mark, shown in former.items() if mark not in manifest.deliveries]
    if unknown:
        raise DataError(
            "INGEST_REPLACE_UNKNOWN",
            what="A file that is to be replaced is not in the store.",
            got=", ".join(unknown),
            expected="files as they were delivered, under the [input] with which they were ingested",
            state="Nothing was stored or replaced.",
            fix="Give the former file unchanged. If it was never ingested, ingest the new one without --replace.",
        )
    mixed = [s for s in manifest.segments if 0 < len(former.keys() & set(s.deliveries)) < len(set(s.deliveries))]
    if mixed:
        raise DataError(
            "INGEST_REPLACE_MIXED",
            what="The rows of a file that is to be replaced lie in one segment with those of other files.",
            got=f"{len(former)} files to replace, {sum(len(s.deliveries) for s in mixed)} ingested together or merged since",
            expected="all files that were ingested together, before they were merged with older ones",
            state="Nothing was stored or replaced.",
            fix="Name every file of that ingest with --replace and deliver all of them again, or ingest everything into a new store.",
        )
