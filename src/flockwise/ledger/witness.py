"""What this host has seen of a ledger: a file of its own, one line for each row, only ever appended to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from flockwise.base.files import sync
from flockwise.errors import LedgerError
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
            LedgerError: the file says two hashes for one row, or can't be read.
        """
        try:
            text = self.path.read_text(encoding="ascii", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise _unusable("Nothing was spent.") from error
        lines: dict[int, str] = {}
        for line in text.splitlines():
            # A line cut short by a crash is passed over: its row is committed, and the next writer notes it again.
            if found := _LINE.fullmatch(line):
                number, digest = int(found[1]), found[2]
                if lines.setdefault(number, digest) != digest:
                    raise damaged("LEDGER_WITNESS_DAMAGED", "the witness file contradicts itself")
        return lines

    def check(self) -> None:
        """Refuses a file that could not be appended to: asked before a charge, which would be spent for nothing.

        Raises:
            LedgerError: it can't be written.
        """
        there = self.path.exists()
        if not os.access(self.path if there else self.path.parent, os.W_OK) or (there and not self.path.is_file()):
            raise _unusable("Nothing was spent.")

    def note(self, rows: Sequence[Row]) -> None:
        """Appends rows, durably. They must be committed, and the chain up to them checked.

        Raises:
            LedgerError: they can't be written. The ledger's rows stand.
        """
        if not rows:
            return
        text = "".join(f"{row.number} {row.digest}\n" for row in rows)
        try:
            new = not self.path.exists()
            torn = not new and not self.path.read_bytes().endswith(b"\n")
            with os.fdopen(os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab") as file:
                file.write(("\n" * torn + text).encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync(self.path.parent)
        except OSError as error:
            raise _unusable("What the ledger holds stands: if the last entry was a charge, it is spent. Nothing was drawn under it.") from error


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


def _unusable(state: str) -> LedgerError:
    return LedgerError(
        "LEDGER_WITNESS_UNUSABLE",
        what="The witness file of the ledger can't be read or written.",
        state=state,
        fix="Mend its rights or the disk, and run the same command again.",
    )
