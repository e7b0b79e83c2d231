"""What runs an ingest between the lock and the commit: threads of this process, or another engine that the caller hands in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flockwise.store.intake import Intake
from flockwise.store.optouts import OptOuts
from flockwise.store.reading import OpenFile
from flockwise.store.report import Counts
from flockwise.store.settling import Settling

__all__ = ["SEGMENT", "Done", "ProgressFn", "Runner", "Work"]

ProgressFn = Callable[[str, int, int], None]
"""Stage, done, total. Called from worker threads, one call at a time."""

SEGMENT = "segment"
"""The folder within the staging folder in which a runner leaves the files of the new segment."""


@dataclass(frozen=True)
class Work:
    """What is done to a delivery, whoever does it. It can be sent to another process, with the keys that the work needs.

    Args:
        intake: from the supplier's rows to rows of buckets.
        settling: from rows of a bucket to its file.
        buckets: number of buckets, a power of two.
        known: bases of devices that may not be stored, from before this delivery.
    """

    intake: Intake
    settling: Settling
    buckets: int
    known: OptOuts


@dataclass(frozen=True)
class Done:
    """What became of a delivery.

    Args:
        counts: for the steward.
        files: names of the files of the segment; empty if there is nothing to add.
        leaving: bases of devices that left with this delivery and not before.
    """

    counts: Counts
    files: list[str]
    leaving: OptOuts


class Runner(Protocol):
    """Does the work. Rows and counts are the same whatever runs it."""

    def run(self, work: Work, files: list[OpenFile], staging: Path, progress: ProgressFn | None) -> Done:
        """Reads all files and writes the segment into `staging / SEGMENT`, durably. Nothing outside `staging` is written.

        Args:
            work: what is done.
            files: of the delivery.
            staging: an empty folder, removed when the ingest ends, however it ends.
            progress: told ("read", done, total) and ("order", done, total).
        """
        ...
