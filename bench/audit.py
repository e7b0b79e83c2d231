"""Carry out the full audit, and measure how much noise has to be missing before its attacks see it.

    python bench/audit.py [--short] [--times N] [--json]

The audit is that of `flockwise audit --full`. Power: the noise is drawn at a fraction of its scale and the attack is carried out `--times` times; `seen` is
how often it found more than was claimed. At fraction 1 nothing is missing, and `seen` has to be 0. `runs` is releases without and as many with the device.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from _machine import machine, versions
from flockwise import audit, noise, release
from flockwise.audit.membership import CANARIES, attack
from flockwise.audit.trajectories import TRAJECTORIES
from flockwise.audit.trial import loud, study

WRONG = 1e-3
"""The lower bounds of the power table are wrong with this chance; those of the audit with a hundredth of it."""


@contextmanager
def quieter(fraction: float) -> Iterator[None]:
    """Noise of a fraction of its scale in everything that is drawn."""
    real = noise.add
    noise.add = lambda values, sigma, *more, **named: real(values, sigma * fraction, *more, **named)
    try:
        yield
    finally:
        noise.add = real


def membership(fraction: float, runs: int, rho: int | None, times: int, kind: noise.Kind = "rounded") -> dict[str, Any]:
    """How often the likelihood-ratio attack sees the fraction."""
    of = study(Path("/nonexistent"), kind=kind)
    plan = release.settle(release.make_plan(of if rho is None else loud(of, Fraction(rho))), 16, 64)
    claimed = (2 * float(plan.rho)) ** 0.5
    with quieter(fraction):
        found = [attack(plan, runs, WRONG, audit.Settings(seed=i))[0] for i in range(times)]
    return {
        "method": f"membership, {kind}",
        "claimed": round(claimed, 4),
        "fraction_of_noise": fraction,
        "runs": runs,
        "mean_bound": round(sum(found) / times, 3),
        "seen": sum(f > claimed for f in found),
        "of": times,
    }


def check(of: audit.Check, fraction: float, times: int) -> dict[str, Any]:
    """How often a check of the short audit sees the fraction."""
    with quieter(fraction):
        found = [of.run(audit.Settings(seed=i)) for i in range(times)]
    return {
        "method": of.name,
        "claimed": round(found[0].bound, 4),
        "fraction_of_noise": fraction,
        "runs": 1,
        "mean_bound": round(sum(f.statistic for f in found) / times, 3),
        "seen": sum(not f.passed for f in found),
        "of": times,
    }


def powers(times: int) -> list[dict[str, Any]]:
    rows = [membership(fraction, runs, 2, times) for runs in (200, 1_000) for fraction in (1.0, 0.8, 0.65, 0.5)]
    rows += [membership(fraction, 400, 2, times, "discrete") for fraction in (1.0, 0.5)]
    rows += [membership(fraction, 12_000, None, times) for fraction in (1.0, 0.65, 0.5)]
    rows += [check(CANARIES, fraction, times) for fraction in (1.0, 0.25, 0.125)]
    return rows + [check(TRAJECTORIES, fraction, times) for fraction in (1.0, 0.01, 0.003)]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--short", action="store_true", help="the audit's short form instead of the full one")
    p.add_argument("--times", type=int, default=20, help="how often each attack is carried out for its power (0: not at all)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    a = p.parse_args()
    where = machine()  # before the work, so that the load is the others'
    found = [row.as_dict() for row in audit.carry_out(audit.CHECKS, audit.Settings(full=not a.short))]
    rows = powers(a.times) if a.times else []
    if a.json:
        print(json.dumps({"results": [*found, *rows], "machine": where, "versions": versions("scipy", "python-flint")}, indent=1))
        return
    for row in found:
        print(f"{row['check']:<22} {row['result']} in {row['seconds']:>6.1f} s: {row['found']}")
    for row in rows:
        print(
            f"{row['method']:<22} {row['fraction_of_noise']:>5g} of the noise, {row['runs']:>6,} runs: seen {row['seen']} of {row['of']} "
            f"(found {row['mean_bound']}, claimed {row['claimed']})"
        )


if __name__ == "__main__":
    main()
