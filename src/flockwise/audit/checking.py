"""What a check is, what it finds, and how checks are carried out."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["ALARM", "WRONG", "Check", "Evidence", "Finding", "Row", "Settings", "carry_out"]

ALARM = 1e-6
"""A statistical check of a sound mechanism fails with at most this chance."""
WRONG = 1e-5
"""A lower bound on the privacy loss is too high with at most this chance."""

_PARTS = 3


@dataclass(frozen=True)
class Settings:
    """How a check is carried out.

    Args:
        seed: of the simulated devices; never of the noise.
        full: more devices, runs and plans.
    """

    seed: int = 1
    full: bool = False

    def generator(self, purpose: str) -> np.random.Generator:
        """Random numbers for simulated devices: the same for the same seed and purpose."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])


@dataclass(frozen=True)
class Finding:
    """What a check has found.

    Attributes:
        passed: whether the claim has stood.
        statistic: the figure that decided.
        bound: what it was compared with.
        sense: whether the statistic had to be at "most" or at "least" the bound.
        text: the figure in words.
    """

    passed: bool
    statistic: float
    bound: float
    sense: Literal["most", "least"]
    text: str


@dataclass(frozen=True)
class Check:
    """An attack on one claim.

    Attributes:
        name: one or two words.
        claim: what is attacked, in one line.
        run: the attack, on simulated devices and throw-away ledgers alone.
    """

    name: str
    claim: str
    run: Callable[[Settings], Finding]


@dataclass(frozen=True)
class Row:
    """A check, what it found and how long it took."""

    check: Check
    finding: Finding
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON-ready values."""
        found = self.finding
        return {
            "check": self.check.name,
            "result": "passed" if found.passed else "FAILED",
            "seconds": round(self.seconds, 1),
            "statistic": found.statistic,
            "allowed": found.sense,
            "bound": found.bound,
            "found": found.text,
            "claim": self.check.claim,
        }


class Evidence:
    """What a check gathers: statements that must hold always, and chances that a sound mechanism would look as extreme as this."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._statements = 0
        self._chances: list[tuple[float, str]] = []

    def holds(self, statement: object, fault: str) -> None:
        """Notes a statement; `fault` says what is wrong if it does not hold."""
        self._statements += 1
        if not statement and fault not in self.faults:
            self.faults.append(fault)

    def chance(self, value: float, fault: str) -> None:
        """Notes the chance of what was seen under the claim; `fault` says what is wrong if it is too small."""
        self._chances.append((0.0 if math.isnan(value) else value, fault))

    def finding(self, text: str) -> Finding:
        """Passed if every statement holds and the least chance, times their number, is at least `ALARM`."""
        least, fault = min(self._chances, default=(1.0, ""))
        least = min(1.0, least * max(1, len(self._chances)))
        faults = [*self.faults, *([fault] if least < ALARM else [])]
        said = "; ".join([*faults[:_PARTS], *(["and more"] if len(faults) > _PARTS else [])])
        if not self._chances or self.faults:
            return Finding(not faults, float(len(faults)), 0.0, "most", said or f"{text}; {self._statements:,} statements hold")
        return Finding(not faults, least, ALARM, "least", said or f"{text}; chance {least:.2g}")


def carry_out(checks: Iterable[Check], settings: Settings, progress: Callable[[str, int, int], None] | None = None) -> list[Row]:
    """Carries checks out, one after the other. A check that stops with an error has failed.

    Args:
        checks: which.
        settings: how.
        progress: called with ("audit", checks done, checks in all).
    """
    every, rows = list(checks), []
    for done, check in enumerate(every, start=1):
        began = time.perf_counter()
        try:
            found = check.run(settings)
        except Exception as error:  # noqa: BLE001  a mechanism that raises is what some checks look for
            found = Finding(False, 1.0, 0.0, "most", f"stopped with {type(error).__name__}")
        rows.append(Row(check, found, time.perf_counter() - began))
        if progress is not None:
            progress("audit", done, len(every))
    return rows
