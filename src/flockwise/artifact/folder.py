"""The published folder: written whole or not at all, read lazily."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from flockwise.artifact.certificate import Certificate
from flockwise.artifact.readme import readme
from flockwise.artifact.tables import SCHEMAS, Shapes, write_parquet
from flockwise.base.files import sync
from flockwise.errors import ArtifactError, InternalError
from flockwise.record import FILES

__all__ = ["CERTIFICATE", "README", "REPORT", "SUMS", "Artifact", "check_place", "read", "sha256_of", "write"]

CERTIFICATE, README, SUMS, REPORT = "certificate.json", "README.txt", "SHA256SUMS", "report.html"
LARGEST_CERTIFICATE = 16 << 20
"""Bytes."""
KNOWN = frozenset({CERTIFICATE, README, SUMS, REPORT, *FILES, *(f"{kind}.parquet" for kind in SCHEMAS)})


@dataclass(frozen=True)
class Artifact:
    """A published folder: its certificate, and its tables when they are asked for.

    Args:
        path: the folder.
        certificate: what it promises.
    """

    path: Path
    certificate: Certificate

    def table(self, kind: str, columns: Sequence[str] | None = None) -> pa.Table:
        """One table, in its published order.

        Args:
            kind: "zones", or a kind of table of the certificate.
            columns: which columns; all by default (the geometry takes most of the room).

        Raises:
            ArtifactError: the release has no such table, or its file can't be read.
        """
        try:
            # The file alone: neighbours that look like partitions must not be taken in.
            file = pq.ParquetFile(self.path / f"{kind}.parquet")
            # A file of a few bytes can hold a billion rows: not many more are read than the certificate speaks of.
            if file.metadata.num_rows > 2 * self._most_rows(kind) + 1000:
                raise ArtifactError(
                    "ARTIFACT_COUNTS", what=f"{kind}.parquet has far more rows than the certificate speaks of.", got=str(self.path), fix="Get the folder again."
                )
            return file.read(columns=None if columns is None else list(columns))
        except (OSError, pa.ArrowException, KeyError, ValueError, MemoryError) as error:
            raise ArtifactError(
                "ARTIFACT_UNREADABLE", what=f"{kind}.parquet is missing or can't be read.", got=type(error).__name__, fix="Get the folder again."
            ) from error

    def _most_rows(self, kind: str) -> int:
        if kind == "zones":
            return sum(level.cells for level in self.certificate.domain.levels)
        return sum(t.published if kind == "flows" else t.rows_public for t in self.certificate.tables if t.kind == kind)

    @cached_property
    def zones(self) -> pa.Table:
        """The zones table."""
        return self.table("zones")

    @cached_property
    def presence(self) -> pa.Table | None:
        """The presence table without its geometry (join zones for it), or None if the release has none."""
        return self._flat("presence")

    @cached_property
    def typical_day(self) -> pa.Table | None:
        """The typical day without its geometry, or None if the release has none."""
        return self._flat("typical_day")

    @cached_property
    def flows(self) -> pa.Table | None:
        """The flows table without its geometry, or None if the release has none."""
        return self._flat("flows")

    def _flat(self, kind: str) -> pa.Table | None:
        if kind not in self.certificate.kinds():
            return None
        return self.table(kind, [name for name in SCHEMAS[kind].names if name != "geometry"])


def read(folder: Path) -> Artifact:
    """The artifact of a folder. Nothing is checked but the certificate: see `verify`.

    Args:
        folder: a published folder.

    Raises:
        ArtifactError: there is no certificate, or it can't be read.
    """
    try:
        with (folder / CERTIFICATE).open("rb") as file:
            raw = file.read(LARGEST_CERTIFICATE + 1)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            "ARTIFACT_NOT_FOUND", what="There is no certificate in this folder.", got=str(folder), fix="Name a folder that flockwise release wrote."
        ) from error
    if len(raw) > LARGEST_CERTIFICATE:
        raise ArtifactError("ARTIFACT_CERTIFICATE", what="certificate.json is longer than any certificate.", got=str(folder), fix="Get the folder again.")
    try:
        return Artifact(folder, Certificate.model_validate_json(raw))
    except ValidationError as error:
        where = "; ".join(sorted({".".join(str(p) for p in item["loc"]) or "the whole" for item in error.errors()})[:5])
        raise ArtifactError("ARTIFACT_CERTIFICATE", what="certificate.json does not fit its schema.", got=where, fix="Get the folder again.") from error


def write(folder: Path, tables: Mapping[str, pa.Table], certificate: Certificate, texts: Mapping[str, str]) -> Certificate:
    """Writes a release so that the folder appears whole or not at all. The same content again changes nothing.

    An older artifact at the same place is replaced in one step; anything else there is left alone.

    Args:
        folder: where to publish.
        tables: "zones" (see `zones`), and those that the certificate lists, in their published order; geometry is added here.
        certificate: without `files`, which is filled in.
        texts: the files of the record (`record.texts`).

    Returns:
        The certificate as published.

    Raises:
        ArtifactError: something that is not a Flockwise artifact is in the way (ARTIFACT_IN_THE_WAY), or the disk can't be written (ARTIFACT_WRITE).
            What was there is as it was.
        InternalError: the tables do not fit the certificate or the format, or what was written does not pass `verify`. Nothing was published.

    Privacy:
        Everything in `tables` and `certificate` becomes public. Give noisy values and public facts only.
    """
    from flockwise.artifact.verify import verify

    if set(tables) != {"zones", *certificate.kinds()}:
        raise InternalError("ARTIFACT_BAD_TABLE", what="The tables are not those of the certificate.", got=", ".join(sorted(tables)))
    if set(texts) != set(FILES):
        raise InternalError("ARTIFACT_BAD_RECORD", what="The record is not whole.", got=", ".join(sorted(texts)))
    folder = folder.absolute()
    check_place(folder)
    fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir()
        final = _fill(fresh, tables, certificate, texts)
        if _same(folder, fresh):
            return final
        try:
            verify(fresh)
        except ArtifactError as error:
            raise InternalError(
                "ARTIFACT_NOT_SOUND", what=f"What was to be published does not pass its own check: {error.what}", got=error.got, state="Nothing was published."
            ) from error
        sync(fresh)
        check_place(folder)
        _put(fresh, folder)
        sync(folder.parent)
        return final
    except OSError as error:
        raise ArtifactError(
            "ARTIFACT_WRITE",
            what="The folder to publish into can't be written.",
            got=f"{folder}: {os.strerror(error.errno) if error.errno else type(error).__name__}",
            state="What was there before is there, or the new release whole. The charge stands.",
            fix="Check the room on the disk and the rights on the folder, and run the same command again: it publishes what was charged and spends nothing.",
        ) from error
    finally:
        # After an exchange this is the older artifact.
        shutil.rmtree(fresh, ignore_errors=True)


def check_place(folder: Path) -> None:
    """Refuses a place where something lies that `write` would not replace. Ask before anything is spent.

    Args:
        folder: where a release is to be published: nothing there, an empty folder, or an older release.

    Raises:
        ArtifactError: something else is there. It is as it was.
    """
    if not (folder.exists() or folder.is_symlink()):
        return
    names = {p.name for p in folder.iterdir()} if folder.is_dir() and not folder.is_symlink() else {""}
    if not names:
        return
    if names <= KNOWN and CERTIFICATE in names:
        try:
            known = str(json.loads((folder / CERTIFICATE).read_bytes()).get("format", "")).startswith("flockwise-artifact/")
        except (OSError, ValueError, AttributeError):
            known = False
        if known:
            return
    raise ArtifactError(
        "ARTIFACT_IN_THE_WAY",
        what="There is something at this place that Flockwise did not write.",
        got=str(folder),
        expected="a new name, an empty folder, or an older release",
        state="Nothing was written there.",
        fix="Give another folder.",
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _fill(fresh: Path, tables: Mapping[str, pa.Table], certificate: Certificate, texts: Mapping[str, str]) -> Certificate:
    shapes = Shapes(tables["zones"])
    for kind in SCHEMAS:
        if kind in tables:
            write_parquet(fresh / f"{kind}.parquet", kind, tables[kind], shapes)
    for name, text in texts.items():
        (fresh / name).write_text(text, encoding="utf-8", newline="\n")
    (fresh / README).write_text(readme(certificate), encoding="utf-8")
    files = {path.name: sha256_of(path) for path in sorted(fresh.iterdir())}
    final = certificate.model_copy(update={"files": files})
    (fresh / CERTIFICATE).write_text(final.to_json(), encoding="utf-8")
    sums = {**files, CERTIFICATE: sha256_of(fresh / CERTIFICATE)}
    (fresh / SUMS).write_text("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)), encoding="ascii")
    for path in fresh.iterdir():
        sync(path)
    return final


def _same(folder: Path, fresh: Path) -> bool:
    names = {p.name for p in fresh.iterdir()}
    return (
        folder.is_dir()
        and {p.name for p in folder.iterdir()} - {REPORT} == names
        and all((folder / name).read_bytes() == (fresh / name).read_bytes() for name in names)
    )


def _put(fresh: Path, folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        fresh.replace(folder)
        return
    # RENAME_EXCHANGE swaps the two folders in one step; where the file system can't, the older one steps aside first.
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        at, exchange = -100, 2
        if libc.renameat2(at, os.fsencode(fresh), at, os.fsencode(folder), exchange) == 0:
            return
        if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    aside = fresh.with_suffix(".old")
    folder.replace(aside)
    fresh.replace(folder)
    shutil.rmtree(aside, ignore_errors=True)
