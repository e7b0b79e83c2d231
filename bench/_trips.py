"""Made-up trips with a known truth: who went from which cell to which, in a homogeneous and in a heterogeneous population.

The law, drawn for all people at once: everybody has 1 to 200 trips with weight k^-1.45 and a home cell. The pairs of cells that occur are the best of a
gravity law; the popularity of the one of rank r is (r + 20)^-1.05. Trip t of a person who has chosen anew s times is a new choice with probability
(3 + 0.3 s) / (t + 3), half of the time among the pairs that leave home and half among all; else it repeats one of the person's earlier trips, each with
the same chance (preferential return). In the heterogeneous population the number of trips is multiplied by a lognormal rate of the home's area (one H3
level coarser), and people with 40 trips and more mostly choose by another popularity of the same pairs.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h3
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

__all__ = ["KINDS", "Trips", "load", "make"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

KINDS = ("homogeneous", "heterogeneous")
MOST_TRIPS = 200
HEAVY = 40
PARIS = (48.8566, 2.3522)
KM_PER_DEGREE = 111.3


class Trips(NamedTuple):
    """One row a trip; origin and destination are places in `cells`.

    Attributes:
        person: rising numbers from 0.
        origin: place of the origin's cell.
        destination: place of the destination's cell.
        cells: H3 cells of the public domain, rising.
    """

    person: Ints
    origin: Ints
    destination: Ints
    cells: Ints

    @property
    def pair(self) -> Ints:
        """origin * cells + destination."""
        return self.origin * len(self.cells) + self.destination


def load(trips: Path, cells: Path) -> Trips:
    """Return trips from Parquet (person, origin, destination) and the domain from a text file with one H3 index a line."""
    domain = np.sort(np.array([h3.str_to_int(line) for line in cells.read_text().split()], dtype=np.int64))
    table = pq.read_table(trips, columns=["person", "origin", "destination"])
    _, person = np.unique(table["person"].to_numpy(), return_inverse=True)
    ends = [np.searchsorted(domain, table[name].to_numpy()) for name in ("origin", "destination")]
    for name, place in zip(("origin", "destination"), ends, strict=True):
        if not np.array_equal(domain[np.minimum(place, len(domain) - 1)], table[name].to_numpy()):
            raise SystemExit(f"a cell of the column {name} is not in {cells.name}")
    order = np.argsort(person, kind="stable")
    return Trips(person[order].astype(np.int64), ends[0][order], ends[1][order], domain)


def make(
    kind: str,
    *,
    people: int = 200_000,
    pairs: int = 30_000,
    parents: int = 3,
    resolution: int = 8,
    seed: int = 7,
    few: float = 1.45,
    popular: float = 1.05,
    heavy_from: int = HEAVY,
) -> Trips:
    """Draw a population.

    Args:
        kind: one of KINDS.
        people: how many.
        pairs: how many pairs of cells can occur.
        parents: H3 cells of resolution 5 around the centre of Paris whose descendants are the domain; at most 7.
        resolution: of the cells.
        seed: of everything that is drawn.
        few: exponent of the number of trips of a person.
        popular: exponent of the popularity of a pair.
        heavy_from: least number of trips of people who mostly choose by another popularity, in the heterogeneous population.
    """
    rng = np.random.default_rng(seed)
    cells = _domain(parents, resolution)
    n = len(cells)
    places = np.argsort(np.argsort(cells))
    pair = _pairs(cells, pairs, rng)
    popularity = 1.0 / (np.arange(1, pairs + 1) + 20) ** popular
    popularity /= popularity.sum()
    steps = np.arange(1, MOST_TRIPS + 1)
    count = rng.choice(steps, size=people, p=steps**-few / (steps**-few).sum())
    mass = np.bincount(pair // n, popularity, minlength=n)
    home = rng.choice(n, size=people, p=mass / mass.sum())
    others, heavy = popularity, np.zeros(people, dtype=bool)
    if kind == "heterogeneous":
        _, area = np.unique([h3.cell_to_parent(h3.int_to_str(int(c)), resolution - 1) for c in cells], return_inverse=True)
        rate = rng.lognormal(0, 0.6, int(area.max()) + 1)
        count = np.clip(np.round(count * rate[area[home]]), 1, MOST_TRIPS).astype(np.int64)
        heavy = count >= heavy_from
        others = popularity[rng.permutation(pairs)]
    taken = pair[_walk(count, home, heavy, pair // n, popularity, others, rng)]
    return Trips(np.repeat(np.arange(people, dtype=np.int64), count), places[taken // n], places[taken % n], np.sort(cells))


def _domain(parents: int, resolution: int) -> Ints:
    root = h3.latlng_to_cell(*PARIS, 5)
    chosen = list(dict.fromkeys([root, *sorted(h3.grid_disk(root, 1))]))[:parents]
    return np.array([h3.str_to_int(c) for p in chosen for c in h3.cell_to_children(p, resolution)], dtype=np.int64)


def _pairs(cells: Ints, pairs: int, rng: np.random.Generator) -> Ints:
    """The pairs that can occur, most popular first, as origin * cells + destination."""
    n = len(cells)
    where = np.array([h3.cell_to_latlng(h3.int_to_str(int(c))) for c in cells])
    x = (where[:, 1] - PARIS[1]) * np.cos(np.radians(PARIS[0])) * KM_PER_DEGREE
    y = (where[:, 0] - PARIS[0]) * KM_PER_DEGREE
    pull = rng.lognormal(0, 1.0, n) * np.exp(-np.hypot(x, y) / 12)
    score = np.log(pull)[:, None] + np.log(pull) - np.hypot(x[:, None] - x, y[:, None] - y) / 6 + rng.gumbel(0, 0.5, (n, n))
    np.fill_diagonal(score, -np.inf)
    ranked: Ints = np.argsort(-score.ravel())[:pairs]
    return ranked


def _walk(count: Ints, home: Ints, heavy: npt.NDArray[np.bool_], origin: Ints, popularity: Floats, others: Floats, rng: np.random.Generator) -> Ints:
    """The rank of the pair of every trip, person by person."""
    everywhere, elsewhere = np.cumsum(popularity), np.cumsum(others)
    by_origin = np.argsort(origin, kind="stable")
    local = np.cumsum(popularity[by_origin])
    edge = np.searchsorted(origin[by_origin], np.arange(int(max(origin.max(), home.max())) + 2))
    reach = np.r_[0.0, local][edge]  # the pairs that leave cell i share the stretch from reach[i] to reach[i + 1]
    first = np.r_[0, np.cumsum(count)[:-1]]
    taken = np.empty(int(count.sum()), dtype=np.int64)
    anew = np.zeros(len(count))
    going = np.arange(len(count))
    for t in range(int(count.max())):
        going = going[count[going] > t]
        new, kind, pick = rng.random((3, len(going)))
        fresh = (new < (3.0 + 0.3 * anew[going]) / (t + 3.0)) | (t == 0)
        near = fresh & (kind < 0.5)
        switched = fresh & ~near & heavy[going] & (kind < 0.8)
        far = fresh & ~near & ~switched
        back = going[~fresh]
        rank = np.empty(len(going), dtype=np.int64)
        here = home[going[near]]
        at = np.searchsorted(local, reach[here] + pick[near] * (reach[here + 1] - reach[here]))
        rank[near] = by_origin[np.clip(at, edge[here], edge[here + 1] - 1)]
        rank[switched] = np.searchsorted(elsewhere, pick[switched])
        rank[far] = np.searchsorted(everywhere, pick[far])
        rank[~fresh] = taken[first[back] + (pick[~fresh] * t).astype(np.int64)]
        taken[first[going] + t] = np.minimum(rank, len(popularity) - 1)
        anew[going[fresh]] += 1
    return taken
