"""An ingest by parcels within one process, in any order that a cluster could have: for tests."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from flockwise.config import Input
from flockwise.store import Done, OpenFile, ProgressFn, Work
from flockwise.store.exchange import ABOUT, DRAFTS, Parcel, add_up, send, settle
from flockwise.store.handed import Chunk, opened_parts, ranges_of
from flockwise.store.sealing import ParcelSeal
from flockwise.store.units import Unit, opened, units_of


@dataclass
class Parcels:
    """Runs an ingest with units and parcels in random order; everything is pickled on its way, as between processes.

    Args:
        seed: of the order.
        size: bytes of a unit.
        senders: among whom units are dealt.
        memory: of a sender, and of a settler.
        chunk: bytes of files that are handed over at a time; 0: whoever reads a unit opens its file.
        tamper: changes what is on the way.
    """

    seed: int = 0
    size: int = 1 << 12
    senders: int = 3
    memory: int = 1 << 20
    chunk: int = 0
    tamper: Callable[[list[Parcel]], list[Parcel]] = lambda parcels: parcels
    seen: list[Parcel] = field(default_factory=list)

    def run(self, work: Work, files: list[OpenFile], staging: Path, progress: ProgressFn | None) -> Done:
        chance, seal = random.Random(self.seed), ParcelSeal()
        (staging / DRAFTS).mkdir(mode=0o700)
        units = list(enumerate(units_of(files, self.size)))
        chance.shuffle(units)
        parcels: list[Parcel] = []
        for sender in range(self.senders):
            there, its, mine = pickle.loads(pickle.dumps((work, seal, dict(units[sender :: self.senders]))))
            parcels += send(there, self._opened(mine, there.intake.reader.mapping), its, self.memory)
        chance.shuffle(parcels)
        self.seen = parcels = self.tamper(parcels)
        said = [p for p in parcels if p.bucket == ABOUT]
        for bucket in sorted({p.bucket for p in parcels} - {ABOUT}):
            there, its = pickle.loads(pickle.dumps((work, seal)))
            own = sorted((p for p in parcels if p.bucket == bucket), key=lambda p: p.kind)
            for _ in range(1 + chance.randrange(2)):  # an attempt that is tried again leaves its draft
                made = settle(there, bucket, own, its, self.memory, staging)
            said.append(made)
        return add_up(work, said, len(units), seal, staging)

    def _opened(self, units: dict[int, Unit], mapping: Input) -> Iterator[tuple[int, OpenFile]]:
        if not self.chunk:
            return ((number, opened(unit, mapping)) for number, unit in units.items())
        known = [units.get(number, next(iter(units.values()))) for number in range(max(units, default=-1) + 1)]
        sent = [replace(unit, source=replace(unit.source, fs=None)) for unit in known]
        return opened_parts(sent, handed(units, mapping.columns, self.chunk), mapping)


def handed(units: dict[int, Unit], columns: list[str], size: int) -> Iterator[Chunk]:
    """What is handed over of units: chunks of so many bytes."""
    for number, unit in units.items():
        content = Path(unit.source.path).read_bytes()
        for step, begin, length in ranges_of(unit, columns):
            for at in range(begin, begin + length, size):
                yield Chunk(number, step, at, memoryview(content)[at : min(at + size, begin + length)])
