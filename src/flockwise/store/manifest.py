"""The store's manifest: what it was made for, its wrapped keys and which segments count. Replacing it is the one step that commits a change."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flockwise.base.files import write_durably
from flockwise.config import Study
from flockwise.errors import RuleError, StoreError

__all__ = ["FORMAT", "MANIFEST", "Manifest", "Segment", "settings_of"]

FORMAT = 3
"""3: pings are coarse, as `governance.precision` says. 2: as they came."""
MANIFEST = "manifest.json"

_NAMES = {
    "dataset": "[ledger] dataset",
    "purpose": "purpose",
    "device_type": "[input] device_type",
    "resolution": "the finest resolution of [[tables]]",
    "region": "[region]",
    "window_start": "[window] start",
    "window_days": "[window] days",
    "window_timezone": "[window] timezone",
    "greatest_accuracy_m": "[cleaning] greatest_accuracy_m",
}


@dataclass(frozen=True)
class Segment:
    """What one ingest added: a folder of one sorted file per bucket, and the pseudonyms that opted out.

    Args:
        name: of the folder under segments/; never used again for another segment.
        files: names of its files.
        deliveries: marks of the contents that its rows came from.
    """

    name: str
    files: tuple[str, ...]
    deliveries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """What a store is and holds.

    Args:
        settings: of the study, as far as the store depends on them.
        key_id: tells one master key from another without revealing either.
        keys: the store's own secrets, wrapped under the master key (hexadecimal; see `store.vault`).
        buckets: a power of two.
        state: names the content: another one after every change, and nothing that can be computed from rows.
        made: how many segments have been made: their names are never used again.
        list_id: tells the data set's suppression list from another.
        forgotten: number of the newest request of the suppression list that the files know.
        purged: the day on which the pings and their keys were destroyed.
        segments: in the order in which they were added.
        deliveries: keyed digests of the contents that were ingested, each with how it was read.
        places: by what every row of the store was cut: the digest of a list of sensitive places, or that all are simulated; empty before the first delivery.
        seal: as it was read.
    """

    settings: dict[str, Any]
    key_id: str
    keys: str
    buckets: int
    state: str
    made: int = 0
    list_id: str = ""
    forgotten: int = 0
    purged: str = ""
    segments: tuple[Segment, ...] = ()
    deliveries: tuple[str, ...] = ()
    places: str = ""
    seal: str = field(default="", compare=False)

    def text(self, key: bytes) -> str:
        """The manifest as JSON, with a seal under one of the store's secrets: the same content, the same bytes."""
        body = {
            "format": FORMAT,
            "settings": self.settings,
            "key_id": self.key_id,
            "keys": self.keys,
            "buckets": self.buckets,
            "state": self.state,
            "made": self.made,
            "list_id": self.list_id,
            "forgotten": self.forgotten,
            "purged": self.purged,
            "segments": [{"name": s.name, "files": list(s.files), "deliveries": list(s.deliveries)} for s in self.segments],
            "deliveries": list(self.deliveries),
            "places": self.places,
        }
        return json.dumps(body | {"seal": _seal(body, key)}, indent=1, sort_keys=True) + "\n"

    def require_pings(self) -> None:
        """Refuses a store that was purged.

        Raises:
            RuleError: STORE_PURGED.
        """
        if self.purged:
            raise RuleError(
                "STORE_PURGED",
                what="The pings of this store were purged, as its retention schedule says.",
                got=f"on {self.purged}",
                state="Nothing of them is left. Releases that were published stay.",
                fix="A new window needs a new study and a new [store] path.",
            )

    @classmethod
    def read(cls, root: Path) -> Manifest:
        """The manifest of the store in a folder.

        Raises:
            StoreError: there is none (STORE_NOT_FOUND), it is damaged (STORE_DAMAGED) or of another format (STORE_FORMAT).
        """
        try:
            body = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
            if body["format"] != FORMAT:
                raise StoreError(
                    "STORE_FORMAT",
                    what="The store was made by another version of Flockwise.",
                    got=f"format {body['format']}",
                    expected=f"format {FORMAT}",
                    state="The store is unchanged. Deletions that were asked for are in the data set's list, and hold in a new store too.",
                    fix="Name a new folder in [store] path and ingest the deliveries again; purge the old store with the version that made it.",
                )
            return cls(
                settings=dict(body["settings"]),
                key_id=str(body["key_id"]),
                keys=str(body["keys"]),
                buckets=int(body["buckets"]),
                state=str(body["state"]),
                made=int(body["made"]),
                list_id=str(body["list_id"]),
                forgotten=int(body["forgotten"]),
                purged=str(body["purged"]),
                segments=tuple(Segment(str(s["name"]), tuple(str(f) for f in s["files"]), tuple(str(d) for d in s["deliveries"])) for s in body["segments"]),
                deliveries=tuple(str(d) for d in body["deliveries"]),
                places=str(body.get("places", "")),
                seal=str(body["seal"]),
            )
        except FileNotFoundError as error:
            raise StoreError(
                "STORE_NOT_FOUND",
                what="There is no store here.",
                got=str(root),
                fix="Ingest first, or correct [store] path.",
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise damaged(root, f"{MANIFEST}: {type(error).__name__}") from error

    def write(self, root: Path, key: bytes) -> None:
        """Replaces the manifest; durable on return. Readers and a crash see the old one or the new one, never a part."""
        write_durably(root / MANIFEST, self.text(key).encode(), 0o600)

    def check_seal(self, root: Path, key: bytes) -> None:
        """Refuses a manifest that was not written with this secret.

        Raises:
            StoreError: STORE_DAMAGED.
        """
        if not hmac.compare_digest(self.seal, str(json.loads(self.text(key))["seal"])):
            raise damaged(root, f"{MANIFEST}: it is not what Flockwise wrote")

    def check(self, settings: dict[str, Any], key_id: str) -> None:
        """Refuses a study that does not fit the store.

        Raises:
            StoreError: STORE_OTHER_STUDY, with the setting that differs.
        """
        differing = [name for name in _NAMES if not self._fits(name, settings)]
        if key_id != self.key_id:
            raise _other("[store] key", "another key file than the one that the store was made with", "Name the key file that belongs to this store")
        for name in differing:
            old, new = self.settings.get(name), settings[name]
            got = "other cells than before" if name == "region" else f"{new} (the store has {old})"
            raise _other(_NAMES[name], got, "Undo the change")

    def _fits(self, name: str, settings: dict[str, Any]) -> bool:
        if name == "greatest_accuracy_m":  # the person stage applies a stricter limit itself; a looser one would need rows that the door refused
            return bool(settings[name] <= self.settings.get(name, -1))
        return bool(settings[name] == self.settings.get(name))

    def emptied(self, day: str) -> Manifest:
        """The manifest after a purge: what the store was made for, and nothing else."""
        return Manifest(self.settings, self.key_id, "", self.buckets, "", self.made, list_id=self.list_id, forgotten=self.forgotten, purged=day)

    def replaced(self, segments: tuple[Segment, ...], *, forgotten: int, keys: str, state: str) -> Manifest:
        """The manifest after its segments were rewritten."""
        return replace(self, segments=segments, made=self.made + len(segments), forgotten=forgotten, keys=keys, state=state)

    def next_segment(self) -> str:
        """The name of the next segment."""
        return f"{self.made + 1:06d}"

    def with_delivery(self, segment: Segment | None, deliveries: list[str], forgotten: int, places: str) -> Manifest:
        """The manifest after one more ingest, and by what its rows were cut: the digest of a list of sensitive places, or that they are simulated."""
        segments = self.segments if segment is None else (*self.segments, segment)
        state = hashlib.sha256(json.dumps([self.state, sorted(deliveries)]).encode()).hexdigest()
        cut = self.places if self.deliveries else places  # not whether any row was kept: that may depend on one device
        made = self.made + (segment is not None)
        return replace(self, segments=segments, deliveries=(*self.deliveries, *deliveries), state=state, made=made, forgotten=forgotten, places=cut)

    def without_deliveries(self, former: frozenset[str]) -> Manifest:
        """The manifest without the segments of some deliveries. Their opt-outs hold: the suppression list forgets none of them.

        Args:
            former: marks; no segment came from some of them and from others too.
        """
        segments = [s for s in self.segments if not former & set(s.deliveries)]
        state = hashlib.sha256(json.dumps([self.state, "without", sorted(former)]).encode()).hexdigest()
        return replace(self, segments=tuple(segments), deliveries=tuple(d for d in self.deliveries if d not in former), state=state)

    def with_merged(self, count: int, merged: Segment) -> Manifest:
        """The manifest after the first segments were merged into one. The content is the same, and so is its name."""
        return replace(self, segments=(merged, *self.segments[count:]), made=self.made + 1)

    def with_cut(self, segments: Sequence[Segment], made: int, places: str) -> Manifest:
        """The manifest after every segment was written anew without what a list of sensitive places covers (its digest)."""
        state = hashlib.sha256(json.dumps([self.state, "places", places]).encode()).hexdigest()
        return replace(self, segments=tuple(segments), made=made, places=places, state=state)


def _seal(body: dict[str, Any], key: bytes) -> str:
    return hmac.new(key, json.dumps(body, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def _other(setting: str, got: str, fix: str) -> StoreError:
    return StoreError(
        "STORE_OTHER_STUDY",
        what=f"The store was made for another {setting}.",
        got=got,
        state="The store is unchanged.",
        fix=f"{fix}, or name a new folder in [store] path and ingest again.",
    )


def damaged(root: Path, what: str) -> StoreError:
    """The error for a store whose files are missing or broken."""
    return StoreError(
        "STORE_DAMAGED",
        what="The store is damaged.",
        got=f"{root}: {what}",
        fix="Bring it back from a backup, or ingest again into a new store.",
    )


def settings_of(study: Study) -> dict[str, Any]:
    """What a store depends on, as plain values."""
    return {
        "dataset": study.ledger.dataset,
        "purpose": study.purpose,
        "device_type": study.input.device_type,
        "region": hashlib.sha256(study.area.cells.astype("<i8").tobytes()).hexdigest(),
        "resolution": study.store_resolution,
        "window_start": study.window.start.isoformat(),
        "window_days": study.window.days,
        "window_timezone": study.window.timezone,
        "greatest_accuracy_m": study.cleaning.greatest_accuracy_m,
    }
