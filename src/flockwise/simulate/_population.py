"""A simulated population, and writing it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from itertools import count as counting
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flockwise.base import clock
from flockwise.config import supplier_of_simulation
from flockwise.errors import ConfigError
from flockwise.simulate._chunk import calendar_of, make
from flockwise.simulate._files import Deal
from flockwise.simulate._geography import correlation, load
from flockwise.simulate._people import draws_of
from flockwise.simulate._places import gatherings, sensitive_places
from flockwise.simulate._readme import readme
from flockwise.simulate._settings import Settings
from flockwise.simulate._truth import Truth

__all__ = ["Population", "Summary", "write"]

log = logging.getLogger("flockwise.simulate")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Summary:
    """What was simulated and written.

    Args:
        folder: the output folder.
        devices: devices simulated.
        devices_counted: devices in the truth (with a consent, not opted out).
        pings: rows written, spoilt and repeated ones included.
        bad_rows: spoilt rows by kind, before some of them are repeated.
        duplicate_rows: rows that repeat another one.
        county_correlation: Pearson's correlation of simulated and real commuting, over all pairs of counties (not a number for a single county).
        ping_bytes: size of the ping files.
        seconds: wall time.
    """

    folder: str
    devices: int
    devices_counted: int
    pings: int
    bad_rows: dict[str, int]
    duplicate_rows: int
    county_correlation: float
    ping_bytes: int
    seconds: float

    @property
    def pings_per_s(self) -> float:
        """Rows written per second of wall time."""
        return self.pings / self.seconds if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The same, for `--json`; a correlation that is not a number becomes null."""
        found = asdict(self) | {"pings_per_s": self.pings_per_s}
        if self.county_correlation != self.county_correlation:
            found["county_correlation"] = None
        return found


class Population:
    """People with homes, work places and days, in counties of New York State, whose true movements are known.

    Args:
        settings: what to simulate.

    Raises:
        ConfigError: a county is unknown.

    Privacy:
        Nobody in it is real. It needs no privacy budget and can tell nothing about a real device.

    Example:
        >>> population = Population(Settings(devices=100, counties=("36061", "36047")))
        >>> [feature["properties"]["name"] for feature in population.region()["features"]]
        ['Kings', 'New York']
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._geography = load(settings.counties, settings.seed)

    def region(self) -> dict[str, Any]:
        """The counties as one GeoJSON FeatureCollection, with name and GEOID as properties, sorted by GEOID."""
        return {"type": "FeatureCollection", "features": self._geography.features}

    def write(self, out_dir: str | os.PathLike[str], progress: Progress | None = None) -> Summary:
        """Write pings, truth and region into a new folder; see the module's `write`."""
        began = time.perf_counter()
        out = Path(out_dir)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(
                "SIMULATE_FOLDER",
                what="The folder for the simulation holds something already.",
                expected="a folder that is empty or does not exist",
                state="Nothing was written.",
                fix="Choose another folder, or remove it first.",
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            draft.chmod(0o755)
            summary = self._write(draft, out, progress, began)
            # a rename shows the folder whole or not at all; the pings are not synced, since the seed gives them back
            draft.replace(out)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        log.info("simulated %d pings of %d devices", summary.pings, summary.devices)
        return summary

    def _write(self, draft: Path, out: Path, progress: Progress | None, began: float) -> Summary:
        settings, geography = self.settings, self._geography
        for name in ("pings", "truth"):
            (draft / name).mkdir()
        (draft / "supplier.toml").write_text(supplier_of_simulation(settings.start, clock.today()), encoding="utf-8")
        sensitive_places(geography.features, settings).write(draft / "places.parquet")
        (draft / "gatherings.csv").write_text(gatherings(geography.features, settings), encoding="utf-8")
        calendar, draws = calendar_of(settings), draws_of(geography)
        truth = Truth(len(calendar.local_hour), len(geography.geoids))
        deal = Deal(draft / "pings", settings)
        chunks = -(-settings.devices // settings.chunk_devices)
        lock, numbers = threading.Lock(), counting()
        totals: Counter[str] = Counter()

        def work() -> None:
            try:
                while True:
                    with lock:
                        index = next(numbers)
                    if index >= chunks:
                        return
                    chunk = make(settings, geography, draws, calendar, index, truth)
                    deal.write(index, chunk)
                    with lock:
                        totals.update(chunk.flaws)
                        totals["devices"] += len(chunk.people.device)
                        totals["pings"] += len(chunk.order)
                        totals["duplicates"] += chunk.duplicates
                        if progress is not None:
                            progress(totals["devices"], settings.devices)
                    del chunk
            except BaseException:
                deal.fail()
                raise

        threads = settings.threads or min(8, len(os.sched_getaffinity(0)))
        with ThreadPoolExecutor(min(threads, chunks), thread_name_prefix="simulate") as pool:
            done, _ = wait([pool.submit(work) for _ in range(min(threads, chunks))], return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        deal.close()

        _parquet(truth.presence_table(settings.window.start_us), draft / "truth" / "presence.parquet")
        _parquet(truth.flows_table(), draft / "truth" / "flows.parquet")
        _parquet(truth.county_table(geography.geoids), draft / "truth" / "county_flows.parquet")
        (draft / "region.geojson").write_text(json.dumps(self.region()) + "\n", encoding="utf-8")
        match = correlation(truth.county_flows, geography.commuters)
        (draft / "truth" / "README.txt").write_text(readme(settings, geography, truth.devices, match), encoding="utf-8")
        size = sum(path.stat().st_size for path in (draft / "pings").iterdir())
        devices, pings, duplicates = (totals.pop(k) for k in ("devices", "pings", "duplicates"))
        bad = dict(sorted(totals.items()))
        return Summary(str(out), devices, truth.devices, pings, bad, duplicates, match, size, time.perf_counter() - began)


def write(settings: Settings, out_dir: str | os.PathLike[str], progress: Progress | None = None) -> Summary:
    """Write a simulated population's pings and its true aggregates, and tell what was written.

    Args:
        settings: what to simulate.
        out_dir: a folder that is empty or does not exist. It gets
            pings/part-000.parquet and so on (device_id, ts, lat and lon in degrees, accuracy_m, consented_at, opted_out;
            nulls only in spoilt rows and in consented_at),
            truth/presence.parquet (cell at r7, slot_start, devices), truth/flows.parquet (origin, destination, slot_start_hour, trips),
            truth/county_flows.parquet (home, work, devices), truth/README.txt, region.geojson, places.parquet and gatherings.csv (made-up
            sensitive places and gatherings, which nobody has reviewed), and supplier.toml (the record of a made-up supplier,
            assessed today: the only file that depends on more than the settings).
        progress: called with (devices done, devices in all) after every chunk, from one thread at a time.

    Returns:
        Counts, size, wall time, and how well the county flows follow the real table.

    Raises:
        ConfigError: the folder is not empty, or a county is unknown. Nothing is written.

    Privacy:
        Nobody in it is real; no charge. The truth holds aggregates only.

    Source:
        County flows: US Census commuting table of New York State, 2011. Days and observation: docs/explanation/simulator.md.
    """
    return Population(settings).write(out_dir, progress)


def _parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd")
