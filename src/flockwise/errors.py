"""Every error that Flockwise raises, on one page.

Each error says what was refused, what was got and expected, what the state is now and how to mend it. Its code is stable: scripts may rely on it.
No message carries a device, a coordinate, a small count or a true value.
"""

from __future__ import annotations

import re

__all__ = [
    "ArtifactError",
    "BudgetError",
    "ConfigError",
    "DataError",
    "FlockwiseError",
    "InternalError",
    "LedgerError",
    "RuleError",
    "StoreError",
    "TrailError",
    "plain",
]


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """A text on one line without control characters: from a name of somebody else they could write over a terminal, or forge a line of a log."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


class FlockwiseError(Exception):
    """The base of every error raised on purpose.

    Args:
        code: stable name of the case, such as "INGEST_MISSING_COLUMN".
        what: what was refused, as one sentence.
        got: what was found, if that can be told without revealing a person.
        expected: what would have been accepted.
        state: what is true now ("Nothing was stored.").
        fix: what to do next.

    Example:
        >>> error = ConfigError("STUDY_UNKNOWN_KEY", what="study.toml has a key that is not known.", got="[window] dayz", fix="Write days.")
        >>> error.exit_code
        2
        >>> print(error)
        study.toml has a key that is not known.
          got:      [window] dayz
          fix:      Write days.
          code:     STUDY_UNKNOWN_KEY
    """

    exit_code = 5

    def __init__(self, code: str, *, what: str, got: str = "", expected: str = "", state: str = "", fix: str = "") -> None:
        self.code = code
        self.what, self.got, self.expected, self.state, self.fix = (plain(text) for text in (what, got, expected, state, fix))
        super().__init__(str(self))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.as_dict())

    def __str__(self) -> str:
        parts = (("got", self.got), ("expected", self.expected), ("state", self.state), ("fix", self.fix), ("code", self.code))
        return "\n".join([self.what, *(f"  {name + ':':<9} {text}" for name, text in parts if text)])

    def as_dict(self) -> dict[str, str]:
        """The same, as a mapping of text for `--json`."""
        return {
            "code": self.code,
            "what": self.what,
            "got": self.got,
            "expected": self.expected,
            "state": self.state,
            "fix": self.fix,
        }


def _rebuild(kind: type[FlockwiseError], parts: dict[str, str]) -> FlockwiseError:
    return kind(**parts)


class ConfigError(FlockwiseError):
    """The study file or the command line can't be used as it stands (exit code 2)."""

    exit_code = 2


class RuleError(FlockwiseError):
    """A rule of law, governance or privacy refuses the request (exit code 3)."""

    exit_code = 3


class BudgetError(RuleError):
    """The charge would exceed what the ledger allows (exit code 3). Nothing was spent."""


class DataError(FlockwiseError):
    """Input that is broken as a whole (exit code 4)."""

    exit_code = 4


class StoreError(DataError):
    """The store is missing, damaged, or was made for another study (exit code 4)."""


class LedgerError(DataError):
    """The ledger is missing, damaged or was tampered with (exit code 4)."""


class TrailError(DataError):
    """The trail is missing, can't be written, was cut or changed (exit code 4)."""


class ArtifactError(DataError):
    """A published folder is missing something or was changed (exit code 4)."""


class InternalError(FlockwiseError):
    """A bug of ours (exit code 5)."""
