"""What this host has seen of a ledger: a file of its own, one line for each row, only ever appended to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from flockwise.base.files import sync
from flockwise.ledger.chain import Row, damaged

__all__ = ["Witness", "compare"]

_LINE = re.compile(r"([0-9]{1,12}) ([0-9a-f]{64})")


class Witness:
    """The numbers and hashes of rows that were once seen. A ledger that lacks one of them, or says another hash, was cut or rebuilt.

    Args:
        path: the file (mode 0600), on a local disk. Its folder exists when the first row is noted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> dict[int, str]:
        """Hash by row number; empty if nothing was ever noted.

        Raises:
            LedgerError: the file says two hashes for one row.
        """
        if not self.path.exists():
            return {}
        lines: dict[int, str] = {}
        for line in self.path.read_text(encoding="ascii", errors="replace").splitlines():
            # A line cut short by a crash is passed over: its row is committed, and the next writer notes it again.
            if found := _LINE.fullmatch(line):
                number, digest = int(found[1]), found[2]
                if lines.setdefault(number, digest) != digest:
                    raise damaged("LEDGER_WITNESS_DAMAGED", "the witness file contradicts itself")
        return lines

    def note(self, rows: Sequence[Row]) -> None:
        """Appends rows, durably. They must be committed, and the chain up to them checked."""
        if not rows:
            return
        text = "".join(f"{row.number} {row.digest}\n" for row in rows)
        new = not self.path.exists()
        torn = not new and not self.path.read_bytes().endswith(b"\n")
        handle = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        try:
            os.write(handle, ("\n" * torn + text).encode("ascii"))
            os.fsync(handle)
        finally:
            os.close(handle)
        if new:
            sync(self.path.parent)


def compare(rows: Sequence[Row], lines: Mapping[int, str]) -> None:
    """Refuses a ledger that is not what was witnessed.

    Raises:
        LedgerError: a witnessed row is gone or is another one.
    """
    for number, digest in lines.items():
        if number >= len(rows):
            raise damaged("LEDGER_TRUNCATED", f"row {number} was witnessed and is gone")
        if rows[number].digest != digest:
            raise damaged("LEDGER_REWRITTEN", f"row {number} is not the one that was witnessed")
