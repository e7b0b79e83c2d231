"""How likely a trip is between two cells, as one figure a pair: a gravity model fitted to the noisy flows themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flockwise.estimate._types import Floats, Ints

__all__ = ["DAMPING", "Gravity", "distance_rings", "gravity_index"]

_ROUNDS = 10
# Spread of a pair around the model, in logs: a flow much larger than the noise counts as one observation of its logarithm, however large it is.
_SPREAD = 2.0
_RINGS = 64
DAMPING = 0.7


def distance_rings(centroids: Floats) -> Ints:
    """Return for each pair of cells the class of their distance, from public centroids.

    Args:
        centroids: cells x (latitude, longitude), degrees.

    Returns:
        cells x cells; 0 is a cell with itself, then nearest first.
    """
    at = np.radians(np.asarray(centroids, dtype=np.float64))
    lat, lon = at[:, 0], at[:, 1]
    chord = np.sin((lat[:, None] - lat) / 2) ** 2 + np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    cells = len(lat)
    count = int(min(_RINGS, max(1, cells * (cells - 1) // 200)))
    apart = chord[~np.eye(cells, dtype=bool)]
    if not apart.size:
        return np.zeros((cells, cells), dtype=np.int64)
    # Half of the edges by factors of nearness, so that short ways are told apart finely.
    parts = np.concatenate([np.geomspace(1.0 / apart.size, 1.0, count + 1)[1:-1], np.linspace(0.0, 1.0, count + 1)[1:-1]])
    # A hair upwards, so that rounding does not tell equal distances apart.
    rings: Ints = np.searchsorted(np.unique(np.quantile(apart, parts)) * (1 + 1e-9), chord) + 1
    np.fill_diagonal(rings, 0)
    return rings


class Gravity:
    """The effects of cells, distances and slots on the logarithm of a flow, each with a normal prior whose spread is learnt.

    log flow of (i, j, slot) = zone(i) + zone(j) + cell(i) + cell(j) + origin(i) + destination(j) + distance(i, j) (+ origin(i, slot) + destination(j, slot)).

    Args:
        rings: origins x destinations, class of distance.
        zones: for each coarser level the zone of every cell, coarsest first.
        slots: number of slots.
    """

    def __init__(self, rings: Ints, zones: Sequence[Ints], slots: int) -> None:
        self.rings, self.zones, self.slots = rings, list(zones), slots
        self._effects: dict[object, tuple[Floats, float]] = {}

    def _moved(self, name: object, score: Floats, information: Floats) -> Floats:
        """Return the step of one group of effects, towards its mode; and learn its spread."""
        effect, variance = self._effects.get(name, (np.zeros_like(score), 1.0))
        posterior = 1.0 / (information + 1.0 / variance)
        step = np.clip(DAMPING * (score - effect / variance) * posterior, -1.0, 1.0)
        effect = effect + step
        self._effects[name] = effect, max(float(np.mean(effect**2 + posterior)), 1e-3)
        return step

    def own(self, score: Floats, information: Floats) -> Floats:
        """Return how far each pair has moved its own logarithm through the effects it shares in, to first order.

        Taken off the index, it leaves what the other pairs say. Otherwise a pair would be judged by its own noise.
        """
        symmetric = sum(self._effects[level][1] for level in range(len(self.zones) + 1))
        ends = information.sum(axis=(1, 2)), information.sum(axis=(0, 2))
        spreads = [symmetric + self._effects["end", k][1] for k in (0, 1)]
        reach = [1.0 / (ends[k] + symmetric / spreads[k] * ends[1 - k] + 1.0 / spreads[k]) for k in (0, 1)]
        ring = 1.0 / (_sums(self.rings.ravel(), information.sum(axis=2).ravel(), int(self.rings.max()) + 1) + 1.0 / self._effects["ring"][1])
        leverage = (reach[0][:, None] + reach[1][None, :] + ring[self.rings])[:, :, None]
        if self.slots > 1:
            later = [1.0 / (information.sum(axis=axis) + 1.0 / self._effects["slot", axis][1]) for axis in (1, 0)]
            leverage = leverage + later[0][:, None, :] + later[1][None, :, :]
        moved: Floats = score * np.minimum(leverage, 1.0 / np.maximum(information, 1e-300))
        return moved

    def step(self, score: Floats, information: Floats) -> Floats:
        """Return what to add to every pair's logarithm, from its score and information.

        Args:
            score: derivative of the (quasi-)likelihood by the logarithm, origins x destinations x slots.
            information: its expected square, same shape.
        """
        ends = [(score.sum(axis=(1, 2)), information.sum(axis=(1, 2))), (score.sum(axis=(0, 2)), information.sum(axis=(0, 2)))]
        flat, classes = self.rings.ravel(), int(self.rings.max()) + 1
        ring = self._moved("ring", _sums(flat, score.sum(axis=2).ravel(), classes), _sums(flat, information.sum(axis=2).ravel(), classes))
        both = np.zeros(len(self.rings))
        for level, zone in enumerate([*self.zones, np.arange(len(self.rings))]):
            # The response of the scores to the steps so far, to first order.
            (s, i), (t, j) = ends
            both += self._moved(level, _sums(zone, s + t - (i + j) * both), _sums(zone, i + j))[zone]
        single = [both + self._moved(("end", k), s - i * both, i) for k, (s, i) in enumerate(ends)]
        out: Floats = single[0][:, None, None] + single[1][None, :, None] + ring[self.rings][:, :, None]
        if self.slots > 1:
            for axis in (1, 0):
                step = self._moved(("slot", axis), score.sum(axis=axis), information.sum(axis=axis))
                out = out + (step[:, None, :] if axis else step[None, :, :])
        return out


def gravity_index(noisy: Sequence[Floats], sigmas: Sequence[float], gravity: Gravity) -> tuple[Floats, Floats]:
    """Return the logarithm of the expected flow of every pair and slot, up to a constant.

    Fitted by scoring steps. A pair counts with weight 1 / (noise variance + (spread x flow)^2), so that a few very large flows do not decide the effects of
    their cells.

    Args:
        noisy: origins x destinations x slots, in trips: of all devices, and of heavy devices if they were counted apart.
        sigmas: noise scale of each.
        gravity: effects, not fitted yet.

    Returns:
        The index, and what each pair moved its own index by; origins x destinations x slots.

    Privacy: reads noisy values and public facts only.
    """
    y, sigma = _combined(noisy, sigmas)
    index = np.full_like(y, np.log(max(float(y.mean()), 0.01 * sigma / np.sqrt(y.size))))
    for _ in range(_ROUNDS):
        rate = np.exp(index)
        weight = rate / (sigma**2 + (_SPREAD * rate) ** 2)
        score, information = weight * (y - rate), weight * rate
        shift = float(np.clip(score.sum() / max(float(information.sum()), 1e-300), -1.0, 1.0))
        index += shift
        index += gravity.step(score - shift * information, information)
        np.clip(index, -60.0, 60.0, out=index)
    return index, gravity.own(score, information)


def _sums(group: Ints, values: Floats, groups: int = 0) -> Floats:
    return np.bincount(group, values, groups).astype(np.float64)


def _combined(noisy: Sequence[Floats], sigmas: Sequence[float]) -> tuple[Floats, float]:
    """Return one array of the least noise for its mean, and that noise; as if heavy devices moved like the others."""
    if len(noisy) == 1:
        return noisy[0], sigmas[0]
    part = [max(float(y.sum()), 0.0) for y in noisy]
    share = max(part[1] / part[0], 1e-3) if part[0] > 0 else 1e-3
    precision = 1.0 / sigmas[0] ** 2 + share**2 / sigmas[1] ** 2
    return (noisy[0] / sigmas[0] ** 2 + noisy[1] * (share / sigmas[1] ** 2)) / precision, float(precision**-0.5)
