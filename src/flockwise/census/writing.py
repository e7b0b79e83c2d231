"""Weights as a file for a study, what goes beside it, and the panel's coverage in words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from flockwise.artifact import Artifact
from flockwise.base.h3bits import to_hex
from flockwise.census.people import Census
from flockwise.census.weighing import Bools, Weighing

__all__ = ["digest_of", "side_file", "source_of", "table", "told"]

_SHOWN = 5


def table(weighing: Weighing) -> str:
    """The weights as CSV with the columns cell and weight: what `[weights] file` of a study reads. Areas without a weight are left out."""
    some = np.isfinite(weighing.weight)
    rows = zip(to_hex(weighing.cells[some]), weighing.weight[some].tolist(), strict=True)
    return "cell,weight\n" + "".join(f"{cell},{weight:.4f}\n" for cell, weight in rows)


def digest_of(release: Artifact) -> str:
    """SHA-256 of a release's certificate, which names all of its files."""
    return hashlib.sha256((Path(release.path) / "certificate.json").read_bytes()).hexdigest()


def source_of(release: Artifact, census: Census) -> str:
    """Where weights come from, as `[weights] source` wants it."""
    c = release.certificate
    return (
        f"Census file {census.digest[:12]}, divided by the mean night presence of the release {c.study.name!r} of {c.dataset} "
        f"({c.window.days} days from {c.window.first_day}, certificate {digest_of(release)[:12]}): post-processing of a charged release, no new charge"
    )


def told(weighing: Weighing) -> dict[str, Any]:
    """What the weights cover, and where the panel covers too few or too many: from published figures and the census alone."""
    w = weighing
    some, own = np.isfinite(w.weight), w.source == w.level
    compared = np.flatnonzero(np.isfinite(w.coverage))
    by_coverage = compared[np.argsort(w.coverage[compared], kind="stable")]
    lowest, highest = by_coverage[:_SHOWN], by_coverage[::-1][: max(0, min(_SHOWN, len(by_coverage) - _SHOWN))]
    return {
        "areas": len(w.cells),
        "areas_with_a_weight": int(some.sum()),
        "census_covered": _percent(w.share(some)),
        "from_a_coarser_figure": _areas(w, some & ~own),
        "left_out": _areas(w, ~some),
        "cut_at_the_greatest": _areas(w, w.cut),
        "weights": f"{w.weight[some].min():.4g} to {w.weight[some].max():.4g}, median {np.median(w.weight[some]):.4g}",
        "devices_at_night_per_1000_people": round(1000 * w.mean_coverage, 2),
        "skewed": w.skewed,
        "covered_too_little": _areas(w, w.few),
        "covered_too_much": _areas(w, w.many),
        "lowest_coverage": _rows(w, lowest),
        "highest_coverage": _rows(w, highest),
    }


def side_file(release: Artifact, census: Census, weighing: Weighing, greatest: int) -> str:
    """What goes beside the weights, as JSON: where they come from, and what they cover."""
    c = release.certificate
    return (
        json.dumps(
            {
                "source": source_of(release, census),
                "release": {"study": c.study.digest, "certificate": digest_of(release), "dataset": c.dataset, "rho": str(c.privacy.rho)},
                "census_sha256": census.digest,
                "level": weighing.level,
                "greatest": greatest,
                "areas_from_coarser_figures": _from_coarser(weighing),
                "areas_left_out": to_hex(weighing.cells[~np.isfinite(weighing.weight)]),
                "coverage": told(weighing),
            },
            indent=2,
        )
        + "\n"
    )


def _from_coarser(w: Weighing) -> dict[str, int]:
    """Areas whose weight comes from a coarser figure, and its level."""
    some = np.isfinite(w.weight) & (w.source != w.level)
    return dict(zip(to_hex(w.cells[some]), w.source[some].tolist(), strict=True))


def _areas(w: Weighing, which: Bools) -> str:
    return f"{int(which.sum())} areas, {_percent(w.share(which))} of the census"


def _rows(w: Weighing, at: Any) -> list[dict[str, Any]]:
    return [
        {
            "area": to_hex(w.cells[i : i + 1])[0],
            "people": round(float(w.people[i])),
            "coverage_to_mean": f"{w.coverage[i]:.2f}",
            "range": f"{w.lower[i]:.2f} to {w.upper[i]:.2f}",
        }
        for i in at.tolist()
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
