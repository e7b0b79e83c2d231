"""What an ingest did, for the data steward alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from flockwise.governance import REASONS

__all__ = ["Counts", "IngestReport"]

NOTICE = "These counts are for the data steward; do not publish them."


@dataclass
class Counts:
    """What is counted while an ingest runs; parts of it add up.

    Args:
        reasons: rows by the door's reasons.
        stored: as in IngestReport.
        capped: likewise.
        orders: what the ordering found, by name.
    """

    reasons: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(REASONS), np.int64))
    stored: int = 0
    capped: int = 0
    orders: dict[str, int] = field(default_factory=dict)

    def add(self, more: Counts) -> None:
        """Adds those of another part."""
        self.reasons += more.reasons
        self.stored += more.stored
        self.capped += more.capped
        self.note(more.orders)

    def note(self, found: Mapping[str, int]) -> None:
        """Adds what an ordering found."""
        for name, n in found.items():
            self.orders[name] = self.orders.get(name, 0) + int(n)

    def report(self, files: int, skipped: int) -> IngestReport:
        """The counts as a report."""
        refused = {name: int(n) for name, n in zip(REASONS[1:], self.reasons[1:], strict=True) if n}
        return IngestReport(
            files=files,
            files_skipped=skipped,
            rows_read=int(self.reasons.sum()),
            stored=self.stored,
            refused=refused,
            duplicates=self.orders.get("duplicate", 0),
            same_time=self.orders.get("same_time", 0),
            impossible_speed=self.orders.get("impossible_speed", 0),
            capped=self.capped,
        )


@dataclass(frozen=True)
class IngestReport:
    """Counts of one ingest. They are exact and not charged: they stay on the steward's console and are kept nowhere.

    rows_read = stored + duplicates + capped + the sum of refused.

    Args:
        files: files that were read.
        files_skipped: files whose content had been ingested before, under whatever name.
        rows_read: rows in the files that were read.
        stored: rows that are new in the store.
        refused: rows that the door refused, by reason, in the order of the rules; reasons without a row are left out.
        duplicates: rows that repeat another row of this ingest in everything.
        same_time: stored rows that share device and instant with another; the person stage keeps the first.
        impossible_speed: stored rows that could not be reached from the one before; the person stage drops them.
        capped: rows beyond the most pings that the store keeps of one device and ingest.
    """

    files: int = 0
    files_skipped: int = 0
    rows_read: int = 0
    stored: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    same_time: int = 0
    impossible_speed: int = 0
    capped: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for `--json`."""
        return {
            "files": self.files,
            "files_skipped": self.files_skipped,
            "rows_read": self.rows_read,
            "stored": self.stored,
            "refused": dict(self.refused),
            "duplicates": self.duplicates,
            "same_time": self.same_time,
            "impossible_speed": self.impossible_speed,
            "capped": self.capped,
        }

    def text(self) -> str:
        """The report as lines for a console.

        Example:
            >>> print(IngestReport(files=1, rows_read=3, stored=2, refused={"null": 1}).text())
            1 file read, 0 ingested before and skipped
            rows read              3
            stored                 2
            refused                1
              null                 1
            These counts are for the data steward; do not publish them.
        """
        lines = [f"{self.files:,} {'file' if self.files == 1 else 'files'} read, {self.files_skipped:,} ingested before and skipped"]
        rows = [("rows read", self.rows_read), ("stored", self.stored), ("refused", sum(self.refused.values()))]
        rows += [(f"  {reason.replace('_', ' ')}", n) for reason, n in self.refused.items()]
        later = (("duplicates", self.duplicates), ("above the cap of one device", self.capped))
        noted = (("stored, same time twice", self.same_time), ("stored, impossible speed", self.impossible_speed))
        rows += [(name, n) for name, n in (*later, *noted) if n]
        width = max([20, *(len(name) for name, _ in rows)])
        lines += [f"{name:<{width}} {n:>{max(3, len(f'{self.rows_read:,}'))},}" for name, n in rows]
        return "\n".join([*lines, NOTICE])
