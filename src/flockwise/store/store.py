"""The store: pseudonymised pings in hash buckets of devices, private to this process's user, changed only by whole ingests."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise.base import clock
from flockwise.base.cellgrid import CellGrid
from flockwise.base.files import sync
from flockwise.config import Study
from flockwise.errors import ConfigError, DataError, StoreError
from flockwise.governance import DoorRules, places
from flockwise.governance.suppliers import consent_texts
from flockwise.store import keys
from flockwise.store.buckets import SEGMENTS, Buckets
from flockwise.store.columns import Reader, WallClock
from flockwise.store.compacting import check_replaced, merge
from flockwise.store.digests import EarlyDigests
from flockwise.store.expiry import require_current
from flockwise.store.folder import STAGING, check_mode, clean, remove, ring_of, staged, unwritable
from flockwise.store.ingest import Threads
from flockwise.store.intake import Intake
from flockwise.store.keyring import Keyring, key_id
from flockwise.store.locking import LOCK, locked
from flockwise.store.manifest import MANIFEST, Manifest, Segment, settings_of
from flockwise.store.optouts import OptOuts
from flockwise.store.placetables import tables
from flockwise.store.pseudonym import Pseudonyms
from flockwise.store.readers import read_lock
from flockwise.store.reading import open_file
from flockwise.store.recut import recut
from flockwise.store.report import IngestReport
from flockwise.store.rewriting import KeepFn, load, renamed, rewrite
from flockwise.store.runner import SEGMENT, Done, ProgressFn, Runner, Work
from flockwise.store.settling import OrderFn, Settling
from flockwise.store.sources import FilesAtFn, SourceFile, find
from flockwise.store.suppression import Suppression

__all__ = ["Store"]

log = logging.getLogger("flockwise.store")

DEVICES_PER_BUCKET = 512  # a bucket's columns then stay near a core while they are ordered: a third less CPU for an ingest than with 4096
MOST_SEGMENTS, NEWEST_APART = 16, 8
"""From how many segments on an ingest merges them, and how many of the newest stay apart, so that a supplier can still correct them."""
LEAST_BUCKETS, MOST_BUCKETS = 4, 2048


class Store:
    """The pings of one study. Make it with `Store.create` or `Store.open`.

    Nothing here takes or gives an identifier: devices are pseudonyms, and only whole buckets are read.
    """

    def __init__(self, study: Study, manifest: Manifest, key: bytes, ring: Keyring) -> None:
        self._study, self._manifest, self._key, self._ring = study, manifest, key, ring
        self._root = study.store.path
        self._list = Suppression.open(study, key)
        self._list.require(manifest.list_id, manifest.forgotten)

    @classmethod
    def create(cls, study: Study) -> Store:
        """A new, empty store in the study's folder.

        The number of buckets is set here, from the public bound of the panel.

        Raises:
            StoreError: the folder holds a store (STORE_EXISTS) or something else (STORE_NOT_EMPTY).
            ConfigError: the key file is missing, or lies in the store (STORE_KEY_INSIDE); the folder can't be made (STORE_FOLDER).
            RuleError: STORE_KEY_MODE, STORE_MODE.
        """
        root = study.store.path
        if study.store.key_file is not None and study.store.key_file.resolve().is_relative_to(root.resolve()):
            raise ConfigError(
                "STORE_KEY_INSIDE",
                what="The master key must not lie in the store.",
                got=str(study.store.key),
                fix="Name a file outside the store in [store] key.",
            )
        key = keys.load(study.store.key)
        if (root / MANIFEST).exists():
            raise StoreError("STORE_EXISTS", what="There is a store here already.", got=str(root), fix="Open it, or name a new folder in [store] path.")
        try:
            root.mkdir(mode=0o700, exist_ok=True)
            foreign = [p.name for p in root.iterdir() if p.name not in (LOCK, STAGING, SEGMENTS) and not p.name.startswith(f".{MANIFEST}.")]
        except OSError as error:
            raise ConfigError(
                "STORE_FOLDER", what="The store's folder can't be made.", got=f"{root}: {type(error).__name__}", fix="Correct [store] path."
            ) from error
        if foreign:
            raise StoreError(
                "STORE_NOT_EMPTY",
                what="The folder for the store holds other files.",
                got=str(root),
                fix="Name a new or empty folder in [store] path.",
            )
        check_mode(root)
        for name in (SEGMENTS, STAGING):
            (root / name).mkdir(mode=0o700, exist_ok=True)
        buckets = 1 << max(0, -(-study.privacy.panel_bound // DEVICES_PER_BUCKET) - 1).bit_length()
        ring, most = Keyring.new(), min(MOST_BUCKETS, max(LEAST_BUCKETS, buckets))
        listed = Suppression.open(study, key).id
        manifest = Manifest(settings_of(study), key_id(key), ring.wrapped(key), most, state=secrets.token_hex(32), list_id=listed)
        manifest.write(root, ring.marks)
        return cls(study, manifest, key, ring)

    @classmethod
    def open(cls, study: Study) -> Store:
        """The store in the study's folder.

        Raises:
            StoreError: STORE_NOT_FOUND, STORE_DAMAGED, STORE_FORMAT; STORE_OTHER_STUDY if the study does not fit it.
            ConfigError, RuleError: the key can't be used, others have rights on the store (STORE_MODE), or it was purged (STORE_PURGED).
        """
        root = study.store.path
        manifest = Manifest.read(root)
        check_mode(root)
        manifest.require_pings()
        key = keys.load(study.store.key)
        manifest.check(settings_of(study), key_id(key))
        return cls(study, manifest, key, ring_of(root, manifest, key))

    def buckets(self) -> list[int]:
        """Numbers of the buckets: a public range, set when the store was made."""
        return list(range(self._manifest.buckets))

    def read(self, bucket: int) -> pa.Table:
        """The pings of all devices of a bucket, complete, without those of devices that opted out.

        Returns:
            STORED_PINGS; in PING_ORDER if the store has one segment, else one sorted run per segment after the other.

        Raises:
            StoreError: STORE_DAMAGED.

        Privacy: person-level; only the person stage may see it.
        """
        return self.snapshot().read(bucket)

    def snapshot(self) -> Buckets:
        """The buckets as they are now, for another process: it can open the store's files and nothing else."""
        segments = tuple((s.name, frozenset(s.files)) for s in self._manifest.segments)
        return Buckets(self._root, self._manifest.buckets, segments, self._ring.sealer(), self._suppressed)

    @cached_property
    def _suppressed(self) -> OptOuts:
        """Pseudonyms of what is on the suppression list."""
        bases = self._list.bases()
        return OptOuts.of(*self._pseudonyms(self._ring).of_bases(bases.high, bases.low), bases.reason)

    def _not_suppressed(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        return np.asarray(self._suppressed.reasons(table["device_hi"].to_numpy(), table["device_lo"].to_numpy()) == 0)

    def _pseudonyms(self, ring: Keyring) -> Pseudonyms:
        return Pseudonyms(self._study.input.device_type, window=ring.window, marks=ring.marks, dataset=self._list.ring.window)

    @property
    def places_digest(self) -> str:
        """By what every stored row was cut: the digest of a list of sensitive places, or that the pings are simulated; empty before the first delivery."""
        return self._manifest.places

    @property
    def any_delivery(self) -> bool:
        """Whether a delivery was taken in, with rows or without."""
        return bool(self._manifest.deliveries)

    def content_digest(self) -> str:
        """A name (hexadecimal) for what can be read: another one after every change of the store or of the suppression list. Stays inside.

        Any change of the list counts, whether the store holds a device on it or not: that the name stayed the same would tell.
        """
        return hashlib.sha256(f"{self._manifest.state} {self._list.version}".encode()).hexdigest()

    def keyed_digest(self, plan: str = "") -> str:
        """HMAC-SHA256 of the content's name under a secret of the store. Without a plan it is for the ledger alone.

        Args:
            plan: digest of the plan for whose certificate it is. Two certificates then don't tell whether the store changed in between (an opt-out, say).
        """
        return hmac.new(keys.derive(self._ring.marks, "digest"), (plan + self.content_digest()).encode(), hashlib.sha256).hexdigest()

    def ingest(
        self,
        sources: Sequence[str],
        order: OrderFn,
        cut: places.Reviewed | places.Simulated,
        progress: ProgressFn | None = None,
        *,
        replace: Sequence[str] = (),
        memory_mb: int | None = None,
        threads: int | None = None,
        runner: Runner | None = None,
        files_at: FilesAtFn | None = None,
        digests: EarlyDigests | None = None,
    ) -> IngestReport:
        """Adds files to the store: all of them or, after an error or a crash at any moment, none of them.

        The same content under any name adds nothing when it is read in the same way. Rows that repeat stored ones within other content are stored
        once more in a new segment and add nothing to a release: the person stage keeps one of several equal rows.

        Args:
            sources: files, folders and globs, local or by fsspec address.
            order: `person.order` with the study's rules.
            cut: by what rows are cut before anything is stored: `places.reviewed(study)`; for made-up pings `places.SIMULATED`, which the store records.
            progress: called with (stage, done, total) from worker threads, one call at a time; stages are "check" (files), "read" (bytes) and
                "order" (buckets).
            replace: files of former deliveries that these files correct, as they were delivered: their rows go in the same step. Opt-outs in them hold.
            memory_mb: megabytes for buffers and ordering, 16 or more; the rest of the process needs some 300 more. Default: what
                [engine] says.
            threads: workers; default: what [engine] says.
            runner: who does the work; default: threads of this process. Rows and counts are the same.
            files_at: finds the file system of an address; default: fsspec.
            digests: of the sources, if they were begun before.

        Returns:
            Exact counts for the steward.

        Raises:
            DataError: a source or a file as a whole can't be used; the codes start with INGEST_. INGEST_REPLACE_UNKNOWN, INGEST_REPLACE_MIXED.
            RuleError: INGEST_AD_AUCTION, for a file with columns of an ad auction; the retention has ended (STORE_EXPIRED); the list of sensitive places is
                stale or overdue in the store, or there is none and the pings may not be made up (PLACES_...).
            StoreError: another ingest is running (STORE_BUSY); no room or rights to write (STORE_WRITE).

        Privacy: the counts are not charged and must not be published. A row's fate depends on its own device's rows and public limits alone.
        """
        require_current(self._study)
        threads = threads or self._study.engine.workers
        runner = runner or Threads(threads, max(16, memory_mb or self._study.engine.megabytes) << 20)
        with self._changing():
            former = find(replace, files_at) if replace else []
            places.require_cut(self._study, cut, self._manifest.places if self._manifest.deliveries else None)
            self._cut = cut
            found = find(sources, files_at)
            seen = [f.stamp() if digests is None else digests.stamp(f) for f in found]
            if former:
                marks = dict(zip(self._marks(former, threads), former, strict=True))
                check_replaced(self._manifest, {mark: file.shown for mark, file in marks.items()})
                self._manifest = self._manifest.without_deliveries(frozenset(marks))
            fresh, deliveries = self._fresh(found, threads, progress, digests)
            if not fresh:
                if former:
                    self._settle(self._manifest)
                return IngestReport(files_skipped=len(found))
            opened = [open_file(f, self._study.input) for f in fresh]
            with staged(self._root) as staging:
                done = runner.run(self._work(order), opened, staging, progress)
                if not done.counts.reasons.sum():
                    raise DataError(
                        "INGEST_NO_ROWS",
                        what="The delivery has columns and no row.",
                        got=f"{len(fresh)} without rows",
                        state="Nothing was stored.",
                        fix="Ask the supplier for the delivery again.",
                    )
                changed = [f.shown for f, before in zip(found, seen, strict=True) if f.stamp() != before]
                if changed:
                    raise DataError(
                        "INGEST_FILE_CHANGED",
                        what="A file changed while it was read.",
                        got=", ".join(changed),
                        state="Nothing was stored.",
                        fix="Ingest again when the delivery is complete.",
                    )
                self._commit(staging, deliveries, done)
            if len(self._manifest.segments) > MOST_SEGMENTS:
                self._tidy(order, threads, progress)
            return done.counts.report(len(fresh), len(found) - len(fresh))

    def _tidy(self, order: OrderFn, threads: int, progress: ProgressFn | None) -> None:
        """Merges segments after an ingest. The ingest is done: what goes wrong here can't undo it, and the next one tries again."""
        try:
            self._compact(order, threads, progress)
        except (OSError, StoreError) as error:
            log.warning("the segments of the store were not merged: %s", type(error).__name__)

    def _fresh(self, found: list[SourceFile], threads: int, progress: ProgressFn | None, digests: EarlyDigests | None) -> tuple[list[SourceFile], list[str]]:
        """The files whose content has not been ingested in this way before, and their keyed digests."""
        done = set(self._manifest.deliveries)
        fresh, deliveries = [], []
        for i, (file, mark) in enumerate(zip(found, self._marks(found, threads, digests), strict=True)):
            if mark not in done:
                done.add(mark)
                fresh.append(file)
                deliveries.append(mark)
            if progress is not None:
                progress("check", i + 1, len(found))
        return fresh, deliveries

    def _marks(self, found: list[SourceFile], threads: int, digests: EarlyDigests | None = None) -> Iterator[str]:
        """The mark of each file: a keyed digest of its content and of how it is read."""
        how = self._study.input.model_dump_json() + repr(consent_texts(self._study))
        key = keys.derive(self._ring.marks, "delivery")
        with ThreadPoolExecutor(threads) as pool:
            for digest in pool.map(SourceFile.sha256 if digests is None else digests.of, found):
                yield hmac.new(key, digest + how.encode(), hashlib.sha256).hexdigest()

    def _work(self, order: OrderFn) -> Work:
        study, window = self._study, self._study.time_window
        zone, texts, pseudonyms, grid = study.input.time_zone, consent_texts(study), self._pseudonyms(self._ring), CellGrid.build(study.area)
        wall = WallClock(zone, window.start_us, window.end_us) if zone else None
        rules = DoorRules(window.start_us, window.end_us, 10 * int(self._manifest.settings["greatest_accuracy_m"]), texts)
        suppress = tables(self._root, self._ring.marks, study, self._cut.current) if isinstance(self._cut, places.Reviewed) else None
        intake = Intake(Reader(study.input, wall, pseudonyms, study.purpose, texts), grid, rules, suppress)
        settling = Settling(grid.region.cells, order, pseudonyms, self._ring.sealer(), self._manifest.next_segment())
        return Work(intake, settling, self._manifest.buckets, self._list.bases())

    def _commit(self, staging: Path, deliveries: list[str], done: Done) -> None:
        known = self._list.number
        # A delivery that can say who left counts as a request whether somebody did or not: when files have to be rewritten must not depend on one device.
        can_say = self._study.input.withdrawn is not None or self._study.input.opt_out is not None
        number = self._list.add(done.leaving, clock.today(), "delivery", noted=can_say)
        # What this delivery opts out is not in its own segment; older segments hold it until they are rewritten.
        forgotten = number if not self._manifest.deliveries and self._manifest.forgotten == known and number <= known + 1 else self._manifest.forgotten
        segment = None
        if done.files:
            segment = Segment(self._manifest.next_segment(), tuple(done.files), tuple(deliveries))
            self._move_in(staging / SEGMENT, segment.name)
        self._settle(self._manifest.with_delivery(segment, deliveries, forgotten, self._cut.digest))

    def _move_in(self, made: Path, name: str) -> None:
        """Moves a new segment to its place, where nobody knows of it yet."""
        sync(made)
        made.rename(self._root / SEGMENTS / name)
        sync(self._root / SEGMENTS)

    def _settle(self, manifest: Manifest) -> None:
        """Makes a manifest the store's: from here on the change is done."""
        manifest.write(self._root, self._ring.marks)
        self._manifest = manifest
        self._drop_cached()

    def _drop_cached(self) -> None:
        self.__dict__.pop("_suppressed", None)

    def compact(self, order: OrderFn, progress: ProgressFn | None = None, *, threads: int | None = None) -> None:
        """Merges all segments but the newest few into one, as an ingest does by itself once there are many. The content is the same, and so is its digest.

        Args:
            order: `person.order` with the study's rules.
            progress: told ("compact", files done, files in all).
            threads: workers, each with one bucket in memory.

        Raises:
            StoreError: an ingest is running (STORE_BUSY); STORE_DAMAGED.
        """
        with self._changing():
            self._compact(order, threads or self._study.engine.workers, progress)

    def _compact(self, order: OrderFn, threads: int, progress: ProgressFn | None) -> None:
        old = self._manifest.segments[:-NEWEST_APART]
        if len(old) < 2:
            return
        name = self._manifest.next_segment()
        with staged(self._root) as staging:
            merged = merge(old, name, partial(load, self._root / SEGMENTS, ring=self._ring), self._ring.sealer(), order, staging, threads, progress)
            self._move_in(staging, name)
        self._settle(self._manifest.with_merged(len(old), merged))
        clean(self._root, self._manifest)

    def cut(self, progress: ProgressFn | None = None, *, threads: int | None = None) -> bool:
        """Takes out what the study's list of sensitive places covers now: all of it or, after an error or a crash at any moment, nothing.

        Args:
            progress: told ("places", files done, files in all).
            threads: workers, each with one bucket in memory.

        Returns:
            Whether the store had to be written anew.

        Raises:
            RuleError: the list is missing, not reviewed or stale.
            StoreError: an ingest is running (STORE_BUSY); no room or rights to write (STORE_WRITE); a release still reads the old rows (STORE_READ).
        """
        found = places.reviewed(self._study).current
        with self._changing():
            fresh = self._manifest.places != found.digest
            if fresh:
                self._recut(found, threads or self._study.engine.workers, progress)
            clean(self._root, self._manifest)
            known = {s.name for s in self._manifest.segments}
            if any(p.name not in known for p in (self._root / SEGMENTS).iterdir()):
                raise StoreError(
                    "STORE_READ",
                    what="A release still reads rows that the list covers.",
                    got=str(self._root),
                    state="The store was cut; the old files are still there.",
                    fix="Wait until the release has ended, and run flockwise places apply again.",
                )
        return fresh

    def _recut(self, found: places.Current, threads: int, progress: ProgressFn | None) -> None:
        old, made = self._manifest.segments, self._manifest.made
        names = [f"{made + i:06d}" for i in range(1, len(old) + 1)]
        with staged(self._root) as staging:
            read, suppress = partial(load, self._root / SEGMENTS, ring=self._ring), places.suppression(self._study, found, stored=True)
            new = recut(old, names, read, self._ring.sealer(), suppress, staging, threads, progress)
            kept = [s for s in new if s.files]
            for segment in kept:
                self._move_in(staging / segment.name, segment.name)
        self._settle(self._manifest.with_cut(kept, made + len(old), found.digest))

    def forget(self, listed: OptOuts | None, received: date, progress: ProgressFn | None = None) -> int:
        """Puts bases on the suppression list, and writes every file anew without any device on it.

        From the moment the list is written nothing of these devices is read or stored. Files, time and result are the same whether a device was there.

        Args:
            listed: bases; None carries out what waits.
            received: when the request was received.
            progress: told ("rewrite", files done, files).

        Returns:
            How many files were rewritten.

        Raises:
            StoreError: STORE_BUSY, STORE_DAMAGED, STORE_WRITE, SUPPRESSION_WRITE.
        """
        if listed is not None:
            self._list.add(listed, received, "list", always=True)
        with self._changing():
            return self._rewrite(self._not_suppressed, progress, self._ring, self._list.number, keeps_state=False)

    def renew(self, progress: ProgressFn | None = None) -> int:
        """Writes every file anew under another window key, with other pseudonyms. What is stored stays the same, and so does its digest.

        Returns:
            How many files were rewritten.
        """
        with self._changing():
            ring = self._ring.with_new_window()
            change = partial(renamed, self._pseudonyms(self._ring), self._pseudonyms(ring))
            return self._rewrite(self._not_suppressed, progress, ring, self._list.number, keeps_state=True, change=change)

    def _rewrite(
        self,
        keep: KeepFn,
        progress: ProgressFn | None,
        ring: Keyring,
        forgotten: int,
        *,
        keeps_state: bool,
        change: Callable[[pa.Table], pa.Table] | None = None,
    ) -> int:
        manifest = self._manifest
        with staged(self._root) as staging:
            made = rewrite(self._root / SEGMENTS, manifest, self._ring, staging, keep, new_ring=ring, change=change, progress=progress)
            for segment in made:
                self._move_in(staging / segment.name, segment.name)
            state = manifest.state if keeps_state else hashlib.sha256(f"{manifest.state} {secrets.token_hex(32)}".encode()).hexdigest()
            self._ring = ring
            self._settle(manifest.replaced(made, forgotten=forgotten, keys=ring.wrapped(self._key), state=state))
            remove(self._root / SEGMENTS, [s.name for s in manifest.segments])
        return sum(len(s.files) for s in manifest.segments)

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """This store as it is now, for as long as the block lasts: what an ingest adds or merges meanwhile is not seen, and no file that is needed goes."""
        with read_lock(self._root / SEGMENTS):
            self._refresh()
            yield self

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Holds the lock, on the store as it is now; after an error this object knows the store as it was. An error of the disk becomes STORE_WRITE."""
        try:
            with locked(self._root):
                self._refresh()
                clean(self._root, self._manifest)
                try:
                    yield
                except BaseException:
                    self._refresh()
                    raise
        except OSError as error:
            raise unwritable(self._root, error) from error

    def _refresh(self) -> None:
        """What another process may have changed since this store was opened."""
        manifest = Manifest.read(self._root)
        manifest.require_pings()
        self._ring = ring_of(self._root, manifest, self._key)
        self._manifest = manifest
        self._list.refresh()
        self._list.require(manifest.list_id, manifest.forgotten)
        self._drop_cached()
