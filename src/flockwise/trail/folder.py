"""The trail's folder: a file of lines for each year, a head, a lock. Appending is durable and safe under several processes."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from flockwise.base import clock
from flockwise.base.files import sync, write_durably
from flockwise.errors import ConfigError, InternalError, RuleError, TrailError
from flockwise.trail import keys
from flockwise.trail.chain import NO_HASH, Event, Head, damaged, read_head, read_lines, sealed, sealed_head
from flockwise.trail.kinds import Value, check_facts

__all__ = ["KEPT_YEARS", "Trail"]

KEPT_YEARS = 5
_HEAD, _LOCK = "head.json", "lock"
_YEAR = re.compile(r"(20\d\d)\.jsonl")


class Trail:
    """An append-only, hash-chained, signed log in a folder (mode 0700; files 0600).

    A crash leaves the old or the new line. Bytes after the last acknowledged line that are no whole line are cut off by the next writer, which records that.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def begin(cls, path: Path, key: keys.Ed25519PrivateKey) -> Trail:
        """Makes a new trail, whole or not at all; its first line names the key.

        Raises:
            ConfigError: something is there already.
        """
        if path.exists() or path.is_symlink():
            raise ConfigError("TRAIL_EXISTS", what="There is something at the trail's place already.", got=str(path), state="It was not touched.")
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
        try:
            fresh.mkdir(mode=0o700)
            now, public = _now(), keys.public_of(key)
            line = sealed(0, _text(now), "begun", {"key": public}, NO_HASH, key)
            write_durably(fresh / f"{now.year}.jsonl", line, mode=0o600)
            last = read_lines(line, public, 0, NO_HASH)[0].digest
            write_durably(fresh / _HEAD, sealed_head(Head(public, 0, NO_HASH, 1, last, now.year, now.year, len(line)), key), mode=0o600)
            write_durably(fresh / _LOCK, b"", mode=0o600)
            fresh.replace(path)
            sync(path.parent)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise _not_written(error) from error
        return cls(path)

    def append(self, kind: str, facts: Mapping[str, Value], key: keys.Ed25519PrivateKey) -> Event:
        """Adds an event; it is durable when this returns.

        Raises:
            InternalError: the trail has no room for such an event.
            RuleError: an officer's text looks like an identifier or a position.
            TrailError: the trail is missing, damaged, signed with another key, or can't be written. Nothing was added.
        """
        check_facts(kind, facts)
        with self._locked(fcntl.LOCK_EX):
            head = self._mended(key)
            of = facts.get("of")
            if isinstance(of, int) and of >= head.count:
                raise InternalError("TRAIL_BAD_FACT", what="An event speaks of one that has not happened.", state="Nothing was recorded.")
            return self._add(head, kind, facts, key)[1]

    def mend(self, key: keys.Ed25519PrivateKey) -> None:
        """Puts right what a crash or a failing disk may have left after the last acknowledged line, and records it; nothing if nothing is left.

        Raises:
            TrailError: the trail is missing, damaged, signed with another key, or can't be written.
        """
        with self._locked(fcntl.LOCK_EX):
            self._mended(key)

    def events(self, key: str | None = None) -> list[Event]:
        """Every event that is kept, oldest first, after the check of every line, the chain and the head.

        Args:
            key: the public key that must have signed it; by default the one that the head names.

        Raises:
            TrailError: anything was changed, removed, cut off, moved, or signed with another key.
        """
        with self._locked(fcntl.LOCK_SH):
            return self._checked(self.head(), key)

    def head(self) -> Head:
        """The signed head.

        Raises:
            TrailError: it is missing or was changed.
        """
        try:
            return read_head((self.path / _HEAD).read_bytes())
        except OSError as error:
            raise damaged("TRAIL_HEAD", f"the head can't be read: {type(error).__name__}") from error

    def expire(self, key: keys.Ed25519PrivateKey, through: int | None = None) -> list[int]:
        """Drops the files of whole years that ended more than five years ago; the hash of their last line stays in the signed head.

        Args:
            key: the trail's key.
            through: the last year to drop; by default every one that is old enough.

        Returns:
            The years that were dropped.

        Raises:
            RuleError: a year is younger than that. Nothing was dropped.
            TrailError: the trail is damaged or can't be written.
        """
        with self._locked(fcntl.LOCK_EX):
            head = self._mended(key)
            self._checked(head, None)
            youngest = clock.now().year - KEPT_YEARS - 1
            if through is not None and through > youngest:
                raise RuleError(
                    "TRAIL_TOO_YOUNG",
                    what="The trail is kept for five years.",
                    got=f"the year {through}",
                    expected=f"a year up to {youngest}",
                    state="Nothing was dropped.",
                )
            last = min(youngest, through if through is not None else youngest, head.year - 1)
            old = [year for year in self._years(head) if year <= last]
            if not old:
                return []
            number, before = head.first, head.before
            for year in old:
                events = read_lines(self._file(year).read_bytes(), head.key, number, before)
                number, before = number + len(events), events[-1].digest
            # First the line and the head that vouch for it, then the files: after a crash the next writer clears away what was left.
            self._add(replace(head, first=number, before=before, since=old[-1] + 1), "expired", {"through": old[-1]}, key)
            for year in old:
                self._file(year).unlink(missing_ok=True)
            sync(self.path)
            return old

    def _add(self, head: Head, kind: str, facts: Mapping[str, Value], key: keys.Ed25519PrivateKey) -> tuple[Head, Event]:
        now = _now()
        if now.year > head.year:
            head = self._write(replace(head, year=now.year, size=0), now, "year_begun", {"year": now.year}, key)[0]
        return self._write(head, now, kind, facts, key)

    def _write(self, head: Head, now: datetime, kind: str, facts: Mapping[str, Value], key: keys.Ed25519PrivateKey) -> tuple[Head, Event]:
        line = sealed(head.count, _text(now), kind, facts, head.last, key)
        event = read_lines(line, head.key, head.count, head.last)[0]
        file = self._file(head.year)
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _put(handle, line, head.size)
            finally:
                os.close(handle)
            sync(self.path)
            grown = replace(head, count=head.count + 1, last=event.digest, size=head.size + len(line))
            write_durably(self.path / _HEAD, sealed_head(grown, key), mode=0o600)
        except OSError as error:
            raise _not_written(error) from error
        return grown, event

    def _mended(self, key: keys.Ed25519PrivateKey) -> Head:
        """The head to go on from, once what a crash may have left was put right and recorded."""
        head = self.head()
        if head.key != keys.public_of(key):
            raise damaged("TRAIL_OTHER_KEY", "the trail was signed with another key than [trail] key")
        for year in self._found():
            if year > head.year and self._rest(year, 0)[0]:
                return self._mend(replace(head, year=year, size=0), key)
        self._clear(head)
        return self._mend(head, key)

    def _mend(self, head: Head, key: keys.Ed25519PrivateKey) -> Head:
        rest, cause = self._rest(head.year, head.size)[0], "torn_line"
        if not rest:
            return head
        if rest.endswith(b"\n"):
            # One line whole and signed, and the crash came before the head: it counts. More than one, no crash leaves.
            found = read_lines(rest, head.key, head.count, head.last)
            if len(found) != 1:
                raise damaged("TRAIL_HEAD", "the head is older than the lines")
            head, cause = replace(head, count=head.count + 1, last=found[0].digest, size=head.size + len(rest)), "head_behind"
        else:
            try:
                os.truncate(self._file(head.year), head.size)
            except OSError as error:
                raise _not_written(error) from error
        return self._add(head, "mended", {"cause": cause}, key)[0]

    def _checked(self, head: Head, key: str | None) -> list[Event]:
        if key is not None and head.key != key:
            raise damaged("TRAIL_OTHER_KEY", "the trail was signed with another key than was expected")
        events: list[Event] = []
        number, before = head.first, head.before
        years = self._years(head)
        for year in years:
            content, size = self._rest(year, 0)
            if year == head.year:
                if size < head.size:
                    raise damaged("TRAIL_CUT", "the last line that the head vouches for is gone")
                if size > head.size:
                    raise damaged("TRAIL_UNACKNOWLEDGED", "something follows the last line that the head vouches for; the next event mends what a crash left")
            found = read_lines(content, head.key, number, before)
            if not found or not content.endswith(b"\n"):
                raise damaged("TRAIL_CHAIN", f"the lines of {year} are not whole")
            events += found
            number, before = number + len(found), found[-1].digest
        if (number, before) != (head.count, head.last) or not years or years[-1] != head.year:
            raise damaged("TRAIL_CUT", "the lines do not end where the head says")
        return events

    def _years(self, head: Head) -> list[int]:
        """Years whose files are kept. Files of expired years that a crash left are passed over."""
        kept = [year for year in self._found() if year >= head.since]
        # A crash may leave an empty file of a new year.
        if any(year > head.year and self._rest(year, 0)[1] for year in kept):
            raise damaged("TRAIL_UNACKNOWLEDGED", "there is a file of a year that the head does not know")
        return [year for year in kept if year <= head.year]

    def _clear(self, head: Head) -> None:
        """Removes what a crash or a failing disk left: files of expired years, and heads that never came into place."""
        left = [self._file(year) for year in self._found() if year < head.since]
        try:
            for path in (*left, *self.path.glob(f".{_HEAD}.*.part")):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise _not_written(error) from error

    def _found(self) -> list[int]:
        return sorted(int(found[1]) for p in self.path.iterdir() if (found := _YEAR.fullmatch(p.name)))

    def _file(self, year: int) -> Path:
        return self.path / f"{year}.jsonl"

    def _rest(self, year: int, start: int) -> tuple[bytes, int]:
        """A file's bytes from `start` on, and its size."""
        try:
            content = self._file(year).read_bytes()
        except OSError as error:
            raise damaged("TRAIL_CUT", f"the file of {year} can't be read: {type(error).__name__}") from error
        if len(content) < start:
            raise damaged("TRAIL_CUT", "the last line that the head vouches for is gone")
        return content[start:], len(content)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        try:
            handle = os.open(self.path / _LOCK, os.O_RDONLY)
        except OSError as error:
            raise TrailError(
                "TRAIL_MISSING",
                what="There is no trail at its place.",
                got=f"{self.path}: {type(error).__name__}",
                expected="the folder that flockwise init or flockwise log begin made",
                state="Nothing was recorded.",
                fix="Bring it back from its backup. A new one (flockwise log begin) says that there was none before.",
            ) from error
        try:
            fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)


def _put(handle: int, line: bytes, size: int) -> None:
    """Writes a line, or takes back what was written of it."""
    try:
        written = 0
        while written < len(line):
            written += os.write(handle, line[written:])
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise


def _now() -> datetime:
    return clock.now()


def _text(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _not_written(error: OSError) -> TrailError:
    return TrailError(
        "TRAIL_NOT_WRITABLE",
        what="The trail can't be written.",
        got=os.strerror(error.errno) if error.errno else type(error).__name__,
        state="Nothing was recorded.",
        fix="Mend its rights or the disk.",
    )
