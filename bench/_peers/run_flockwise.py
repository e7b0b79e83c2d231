"""Flockwise's main job in one process: raw files to a published folder, with the time of each stage as one JSON object on stdout.

python run_flockwise.py STUDY.toml OUT SOURCE...

Without sources it releases what is in the store; with "-" for OUT it ingests only.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTED = time.perf_counter()


class Stages:
    """Seconds by stage: the time up to a call belongs to the stage that the call reports on.

    A stage's first call with nothing done yet marks its beginning, so what came before goes to the part of the work that was under way.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = STARTED
        self.part = ""

    def switch(self, part: str) -> None:
        """Ends one part of the work and begins the next."""
        self._add(f"{self.part}: other" if self.part in ("ingest", "release") else self.part)
        self.part = part

    def __call__(self, stage: str, done: int, total: int) -> None:
        began = done == 0 and stage not in self.seconds
        self._add(f"{self.part}: other" if began else f"{self.part}: {stage}")

    def _add(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self.last
        self.last = now


@contextmanager
def _engine(path: Path) -> Iterator[None]:
    """With [engine] kind = "spark" one session for all of the work, as in a notebook, whose Python has run before."""
    from flockwise import config

    spec = config.load(path).engine
    if spec.kind != "spark":
        yield
        return
    from flockwise.engines.spark_session import session

    with session(spec.spark) as spark:
        spark.range(2).mapInArrow(lambda batches: batches, "id long").toArrow()
        yield


def main() -> None:
    study, out, sources = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    stages = Stages()
    stages.part = "import"
    from flockwise.base.machine import collect_rarely

    collect_rarely()  # as the command line does
    from flockwise import api  # imports what else it needs when it is used, as for the command line

    told = {}
    stages.switch("start of the engine")
    with _engine(study):
        if sources:
            stages.switch("ingest")
            told["ingest"] = api.ingest(study, sources, stages).as_dict()
        if out != "-":
            stages.switch("release")
            told["release"] = api.release(study, Path(out), stages).as_dict()
        stages.switch("end")
    print(json.dumps({"stages": stages.seconds, **told}, default=str))


if __name__ == "__main__":
    main()
