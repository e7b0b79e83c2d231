"""What is asked of the peers in flows_accuracy.py, and how each is run in its own environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from _peers.environment import python_of
from _peers.measure import run
from _trips import Trips

__all__ = ["GHOSTS", "PEERS", "Measured", "Peer", "measure"]

HERE = Path(__file__).parent
GHOSTS = 30
"""Empty pairs that the threshold lets through at most, as expected, where a peer is given every pair as public (it has no threshold of its own then)."""

WIDE = ("12,16", "16,8", "16,12", "16,16", "24,12", "24,16")
NARROW = ("16,6", "16,8", "20,6", "20,8", "24,8")


@dataclass(frozen=True)
class Peer:
    """One way to use a peer.

    Attributes:
        method: its name in the results.
        environment: the rest of requirements/bench-NAME.txt.
        script: in _peers.
        grid: bounds that are tried; pairs a person,trips a person and pair, or trips a person.
        arguments: for the script.
        public: whether the peer is given every pair of the domain.
    """

    method: str
    environment: str
    script: str
    grid: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    public: bool = False


PEERS = (
    Peer("PipelineDP, Gaussian, naive account", "pipelinedp", "run_pipelinedp.py", WIDE, ("--accounting", "naive")),
    Peer("PipelineDP, Gaussian, PLD account", "pipelinedp", "run_pipelinedp.py", WIDE, ("--accounting", "pld")),
    Peer("PipelineDP, Gaussian, all pairs public, our threshold", "pipelinedp", "run_pipelinedp.py", ("16,8", "16,12", "24,8"), public=True),
    Peer("OpenDP, zCDP", "opendp", "run_opendp.py", NARROW),
    Peer("OpenDP, zCDP, all pairs public, our threshold", "opendp", "run_opendp.py", ("16,8", "24,8"), public=True),
    Peer("dp-mobility-report, Laplace", "dpmobility", "run_dpmobility.py", ("1", "2")),
)


@dataclass(frozen=True)
class Measured:
    """The runs of one peer on one population: the printed pairs and values, and seconds, of each; bounds and where else they were looked for."""

    bounds: str
    printed: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]
    seconds: list[float]
    tried: dict[str, float]
    versions: dict[str, str]


def measure(peer: Peer, trips: Trips, runs: int, folder: Path, error: Callable[[npt.NDArray[np.int64], npt.NDArray[np.float64]], float]) -> Measured:
    """Choose a peer's bounds by one run each, then run it anew with the best.

    Args:
        peer: what to run.
        trips: the population.
        runs: how often after the choice.
        folder: for files between the processes.
        error: of printed pairs and values; the smallest wins.

    Raises:
        NotInstallableError: its environment can't be made.
        FailedError: it ended with an error or took more than an hour.
    """
    python = python_of(peer.environment)
    given, rows = folder / "trips.npz", folder / "rows.npz"
    np.savez(given, person=trips.person, pair=trips.pair, cells=len(trips.cells))
    more = list(peer.arguments)
    if peer.public:
        more += ["--public", "--threshold", f"{-NormalDist().inv_cdf(GHOSTS / len(trips.cells) ** 2):.4f}"]

    def go(bounds: Sequence[str], times: int) -> tuple[dict[str, Any], list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]]:
        told = run([python, str(HERE / "_peers" / peer.script), str(given), str(rows), "--bounds", *bounds, "--runs", str(times), *more])
        found = json.loads(told.out)
        with np.load(rows) as printed:
            return found, [(printed[f"pair_{i}"], printed[f"value_{i}"]) for i in range(len(found["runs"]))]

    _, printed = go(peer.grid, 1)
    tried = {bounds: error(*rows_of) for bounds, rows_of in zip(peer.grid, printed, strict=True)}
    best = min(tried, key=lambda bounds: tried[bounds])
    found, printed = go([best], runs)
    return Measured(best, printed, [one["seconds"] for one in found["runs"]], tried, found["versions"])
