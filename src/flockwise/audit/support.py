"""Check 5: what is in the tables, and in which order, does not tell where anybody was."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise import artifact, release
from flockwise.audit.checking import Check, Evidence, Finding, Settings
from flockwise.audit.laws import chance_of_spread
from flockwise.audit.population import Pings, sitters, together, townspeople, walker
from flockwise.audit.trial import SPARSE, Trial, folder, study

__all__ = ["EMPTY_CELLS", "ROWS"]

Ints: TypeAlias = npt.NDArray[np.int64]

_KEYS = {
    "zones": ["level", "cell", "parent"],
    "presence": ["level", "cell", "slot_start"],
    "typical_day": ["level", "cell", "slot", "slot_label", "days"],
    "margins": ["level", "cell", "slot"],
}


def _empty_cells(settings: Settings) -> Finding:
    """In a region that is mostly empty every figure has its noise, the empty ones as much as the others; in a table drawn sparsely, its margins too."""
    evidence, drawn = Evidence(), 0
    for more in ({"rings": 7 if settings.full else 5}, SPARSE):
        with folder() as where:
            trial = Trial(where, study(where, **more))
            trial.ingest(together(sitters(1, trial.area, [0, 1, 2]), walker(50, trial.area, (3, 7))))
            trial.publish("release")
            noisy = trial.noisy()
            exact = trial.exact(noisy)
            for name, (residual, sigma) in trial.residuals(noisy).items():
                empty = np.asarray(exact[name]).ravel() == 0
                for where_from, some in (("empty", residual.ravel()[empty]), ("occupied", residual.ravel()[~empty])):
                    drawn += some.size
                    if some.size:
                        evidence.chance(chance_of_spread(some, sigma), f"{where_from} figures of {name} have {some.std() / sigma:.3g} times their noise")
                # A noisy figure is 0 with a chance of 1 / (2.5 sigma).
                evidence.chance(1.0 if (residual[empty.reshape(residual.shape)] != 0).any() else 0.0, f"empty figures of {name} have no noise")
    return evidence.finding(f"{drawn:,} figures, most of them of empty cells")


def _rows(settings: Settings) -> Finding:
    """Two panels that have nothing in common, the second of one device: the same rows of everything that is not thresholded."""
    evidence, generator, rows = Evidence(), settings.generator("support"), 0
    for more in ({"rings": 3}, SPARSE):
        keys: list[dict[str, pa.Table]] = []
        for panel in range(2):
            with folder() as where:
                trial = Trial(where, study(where, **more))
                trial.ingest(_crowd(trial, generator) if panel == 0 else sitters(1, trial.area, [30]))
                trial.publish("release")
                published = artifact.read(where / "release")
                names = [name for name in _KEYS if name == "zones" or name in published.certificate.kinds()]
                keys.append({name: published.table(name, _KEYS[name]) for name in names})
                for name in {"presence", "typical_day"} & set(names):
                    _check_status(published.table(name), evidence)
                _check_flows(trial, published, evidence)
        for name, table in keys[0].items():
            evidence.holds(table.equals(keys[1][name]), f"the rows of {name} depend on the data")
            rows += table.num_rows
    return evidence.finding(f"{rows:,} rows of zones, presence, the typical day and margins are the same for a crowd and for one device")


def _crowd(trial: Trial, generator: np.random.Generator) -> Pings:
    """So many devices that some flows are printed: all of them travel between few places."""
    commuters = [walker(1_000 + i, trial.area, (4, 20), every=45) for i in range(60)]
    return together(townspeople(1, 100, trial.area, generator).pings, *commuters)


def _check_status(table: pa.Table, evidence: Evidence) -> None:
    withheld = np.array(table["status"].to_pylist()) == "withheld"
    shown = table["devices"].is_valid().to_numpy()
    evidence.holds(np.array_equal(shown, ~withheld), "a withheld figure is printed, or a printed one marked as withheld")


def _check_flows(trial: Trial, published: artifact.Artifact, evidence: Evidence) -> None:
    """The printed pairs are those that the noisy values alone give, sorted by key; no withheld pair is listed."""
    table = published.table("flows", ["level", "slot", "origin", "destination", "status"])
    evidence.holds(set(table["status"].to_pylist()) <= {"published"}, "a pair is listed that is not printed")
    keys = list(zip(*(table[c].to_pylist() for c in ("level", "slot", "origin", "destination")), strict=True))
    evidence.holds(keys == sorted(keys), "pairs are not in the order of their keys: their place tells how they came about")
    evidence.holds(len(set(keys)) == len(keys), "a pair is listed twice")
    noisy = trial.noisy()
    plan = trial.settled(noisy)
    expected = release.flow_estimate(plan, noisy)
    for block, rows in zip(plan.of("flows"), expected.pairs, strict=True):
        listed = sum(1 for key in keys if key[0] == block.level)
        evidence.holds(listed == len(rows.trips), "other pairs are listed than the noisy values give")


EMPTY_CELLS = Check("empty cells", "every figure of the public domain has noise, where nobody was too", _empty_cells)
ROWS = Check("rows", "which rows there are, and their order, depends on noisy values and public facts alone", _rows)
