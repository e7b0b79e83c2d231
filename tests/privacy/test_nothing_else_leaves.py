"""With its noisy values held fixed, a release says the same of an empty store, of one device and of a crowd: in every file, message, bar and warning.

The audit makes files again from noisy values over other data. This looks at all the rest that whoever runs a release is shown, too, from the first draw on.
What may differ is what names the state of the data by a key: the charge, the digest of the input, and sums over files that hold them.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flockwise import noise
from flockwise.audit.population import Pings, sitters, together, townspeople, walker
from flockwise.audit.trial import SPARSE, Trial, study
from flockwise.noise.sparse import Printed
from flockwise.release import publishing

KEYED = {"charge", "input", "files", "trail"}
Make = Callable[[Trial], Pings]


def nobody(trial: Trial) -> Pings:
    """Rows that are no pings of the window: nothing is stored of them."""
    found = one(trial)
    return replace(found, t_us=found.t_us - 10 * 86_400_000_000)


def one(trial: Trial) -> Pings:
    return sitters(1, trial.area, [5])


def traveller(trial: Trial) -> Pings:
    return walker(7, trial.area, (0, 30), every=9)


def crowd(trial: Trial) -> Pings:
    many = townspeople(1, 80, trial.area, np.random.default_rng(4)).pings
    return together(many, *(walker(1000 + i, trial.area, (4, 20), every=45) for i in range(40)))


def fixed(patch: pytest.MonkeyPatch) -> None:
    """Noisy values that depend on sizes and scales alone. The real draws are made as well, of nothing, so that bars and threads run as they do."""
    add, sparse = noise.add, noise.draw_sparse

    def values(exact: Any, sigma: float, *more: Any, **named: Any) -> Any:
        add(np.zeros_like(exact), sigma, *more, **named)
        rng = np.random.default_rng([exact.size, int(sigma)])
        return np.rint(sigma * rng.gamma(0.5, 20, exact.shape)).astype(np.int64)

    def printed(_keys: Any, _sums: Any, size: int, sigma: float, threshold: int, *more: Any) -> Printed:
        none = np.zeros(0, dtype=np.int64)
        sparse(none, none, size, sigma, threshold, *more)
        keys = np.arange(0, size, size // 40, dtype=np.int64)
        return Printed(keys, threshold + np.arange(len(keys)) % 7 * int(sigma))

    patch.setattr(noise, "add", values)
    patch.setattr(noise, "draw_sparse", printed)


def told(where: Path, make: Make, more: dict[str, Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """All that a release of these pings shows."""
    where.mkdir()
    trial = Trial(where, study(where, **more))
    trial.ingest(make(trial))
    bars: list[tuple[str, int, int]] = []
    capfd.readouterr()
    caplog.clear()
    caplog.set_level(logging.DEBUG, "flockwise")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        fixed(patch)
        done = trial.publish("release", lambda *step: bars.append(step))
    files: dict[str, Any] = {}
    for path in sorted((where / "release").iterdir()):
        if path.name == "certificate.json":
            content = json.loads(path.read_text())
            content["privacy"].pop("charge")
            files[path.name] = {key: value for key, value in content.items() if key not in KEYED}
        elif path.name != "SHA256SUMS":
            files[path.name] = path.read_bytes()
    return {
        "files": files,
        "sizes": {path.name: path.stat().st_size for path in (where / "release").iterdir()},
        "bars": bars,
        "log": [(r.name, r.levelname, r.getMessage()) for r in caplog.records],
        "warnings": [str(w.message) for w in warned],
        "streams": capfd.readouterr(),
        "told": {**done.as_dict(), "folder": None},
        "notes": done.notes,
    }


@pytest.mark.parametrize("more", [{"rings": 3}, {"rings": 3, "kind": "discrete"}, SPARSE], ids=["dense", "discrete", "sparse"])
def test_a_release_says_nothing_but_its_noisy_values(
    more: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    makes = (nobody, one, traveller, crowd)
    first, *others = (told(tmp_path / make.__name__, make, more, caplog, capfd) for make in makes)
    assert first["bars"]
    assert [t["table"] for t in first["told"]["tables"] if t["published"]]
    for make, other in zip(makes[1:], others, strict=True):
        for part in first:
            if part == "files":
                for name in first["files"]:
                    assert first["files"][name] == other["files"][name], f"{name} of {make.__name__}"
            assert first[part] == other[part], f"{part} of {make.__name__}"


@pytest.mark.parametrize("leak", ["log", "bars", "warnings", "streams"])
def test_a_count_of_occupied_cells_is_seen(
    leak: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, sums = publishing._draw, publishing.all_levels
    bar: list[Any] = []

    def drawn(*given: Any, progress: Any, **named: Any) -> Any:
        bar.append(progress)
        return draw(*given, progress=progress, **named)

    def all_levels(plan: Any, found: Any) -> Any:
        out = sums(plan, found)
        occupied = int(np.count_nonzero(np.asarray(out["presence-7"]).any(axis=1)))
        if leak == "log":
            publishing.log.debug("%d cells are occupied", occupied)
        elif leak == "bars":
            bar[-1]("cells", occupied, occupied)
        elif leak == "warnings":
            warnings.warn(f"{occupied} cells are occupied", stacklevel=2)
        else:
            print(occupied)
        return out

    monkeypatch.setattr(publishing, "_draw", drawn)
    monkeypatch.setattr(publishing, "all_levels", all_levels)
    few, many = (told(tmp_path / make.__name__, make, {"rings": 3}, caplog, capfd) for make in (one, crowd))
    assert [part for part in few if few[part] != many[part]] == [leak]
