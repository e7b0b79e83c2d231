"""What the user names, as a sorted list of files: files, folders and globs, local or by an address that fsspec understands."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol, runtime_checkable

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem
from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem
from pyarrow.fs import LocalFileSystem as ArrowLocal

from flockwise.errors import DataError, FlockwiseError

__all__ = ["Digests", "FilesAtFn", "SourceFile", "find"]

FilesAtFn = Callable[[str], tuple[Any, str] | None]
"""The file system of an address, as fsspec sees its own, and the path in it; None: fsspec's own."""

_FORMATS: dict[str, tuple[str, Literal["gzip", "zstd"] | None]] = {
    ".parquet": ("parquet", None),
    ".pq": ("parquet", None),
    ".csv": ("csv", None),
    ".csv.gz": ("csv", "gzip"),
    ".csv.zst": ("csv", "zstd"),
}
FORMATS_TEXT = ", ".join(_FORMATS)
_GLOB = re.compile(r"[*?\[]")
_UNTOUCHED = "Nothing was stored."
_BLOCK = 1 << 23
"""Bytes that are hashed at a time. Between two blocks a thread may have to wait 5 ms for one that runs Python, in which it could have hashed
8 MB; larger blocks cost page faults."""


@runtime_checkable
class Digests(Protocol):
    """A file system that makes digests where its bytes arrive, and knows when a file was changed."""

    def sha256(self, path: str) -> bytes:
        """Of the whole file."""
        ...

    def size(self, path: str) -> int:
        """Bytes of a file."""
        ...

    def modified(self, path: str) -> datetime:
        """When a file was changed."""
        ...


@dataclass(frozen=True)
class SourceFile:
    """One file of a delivery.

    Args:
        fs: fsspec's view of where it lies, or something that looks like it.
        path: its path there.
        shown: its name for messages, without credentials.
        form: "parquet" or "csv".
        compression: "gzip", "zstd" or None (of a CSV file as a whole).
        size: bytes.
    """

    fs: Any
    path: str
    shown: str
    form: str
    compression: Literal["gzip", "zstd"] | None
    size: int

    def arrow(self) -> FileSystem:
        """The file system for pyarrow; local files are read natively."""
        handler: Any = FSSpecHandler  # abstract in the stubs alone
        return ArrowLocal() if self.local else PyFileSystem(handler(self.fs))

    @property
    def local(self) -> bool:
        """Whether it lies in this machine's own file system."""
        return isinstance(self.fs, LocalFileSystem)

    def stamp(self) -> tuple[Any, ...]:
        """What tells whether the file changed: size and time, and the number of a local one; empty where that can't be told."""
        try:
            if isinstance(self.fs, Digests):
                return self.fs.size(self.path), self.fs.modified(self.path)
            info = Path(self.path).stat()
        except OSError:
            return ()
        return info.st_size, info.st_mtime_ns, info.st_ino

    def sha256(self, unwanted: Callable[[], bool] = lambda: False) -> bytes:
        """Digest of the file's bytes as delivered.

        Args:
            unwanted: asked before each block; once it says so what comes back is of no use.

        Raises:
            DataError: INGEST_UNREADABLE.
        """
        try:
            if isinstance(self.fs, Digests):
                return self.fs.sha256(self.path)
            with Path(self.path).open("rb") if self.local else self.fs.open(self.path, "rb") as file:
                digest = hashlib.sha256()
                while not unwanted() and (block := file.read(_BLOCK)):
                    digest.update(block)
            return digest.digest()
        except Exception as error:  # any fsspec back end may raise its own
            raise unreadable(self.shown, error) from error


def unreadable(shown: str, error: BaseException) -> DataError:
    """The error for a file that can't be opened or read."""
    return DataError(
        "INGEST_UNREADABLE",
        what=f"{shown} can't be read.",
        got=type(error).__name__,
        state=_UNTOUCHED,
        fix="Check its rights and that it is still there.",
    )


def find(addresses: Sequence[str], files_at: FilesAtFn | None = None) -> list[SourceFile]:
    """Every file that the addresses name, sorted by name, each once.

    A folder stands for all files below it whose names end in a known way; names that start with a dot or an underscore are passed over, as Spark and
    others mean them to be.

    Args:
        addresses: files, folders and globs.
        files_at: asked first where an address leads.

    Raises:
        DataError: INGEST_NO_SOURCE, INGEST_BAD_ADDRESS, INGEST_NOT_FOUND, INGEST_NO_MATCH, INGEST_EMPTY_FOLDER, INGEST_UNKNOWN_FORMAT,
            INGEST_EMPTY_FILE, INGEST_UNREADABLE.
    """
    if not addresses:
        raise DataError("INGEST_NO_SOURCE", what="No file, folder or glob was named.", state=_UNTOUCHED, fix="Name at least one.")
    found: dict[tuple[str, str], SourceFile] = {}
    for address in addresses:
        for file in _expand(str(address), files_at):
            found.setdefault((str(file.fs.to_json()), file.path), file)
    return [found[k] for k in sorted(found, key=lambda k: (k[1], k[0]))]


def _show(address: str) -> str:
    """An address without user, password and query, which may be secrets."""
    return re.sub(r"\?.*$", "", re.sub(r"//[^/@]*@", "//", address)) if "://" in address else address


def _expand(address: str, files_at: FilesAtFn | None) -> list[SourceFile]:
    shown = _show(address)
    try:
        fs, path = (files_at(address) if files_at is not None else None) or fsspec.core.url_to_fs(address)
    except FlockwiseError:
        raise
    except Exception as error:  # an unknown protocol is a ValueError, a missing package an ImportError, a bad option anything
        raise DataError(
            "INGEST_BAD_ADDRESS",
            what="An address can't be used.",
            got=f"{shown}: {type(error).__name__}",
            expected="a local path, or an address that an installed fsspec package understands",
            state=_UNTOUCHED,
            fix="Correct the address, or install the package for it (for s3:// that is s3fs).",
        ) from error
    prefix = shown.split("://")[0] + "://" if "://" in shown else ""
    try:
        fs.invalidate_cache()
        if fs.isfile(path):
            return [_file(fs, fs.info(path), prefix)]
        if fs.isdir(path):
            return _folder(fs, path, prefix, shown)
        if _GLOB.search(path):
            return _glob(fs, path, prefix, shown)
    except DataError:
        raise
    except Exception as error:  # any fsspec back end may raise its own
        raise unreadable(shown, error) from error
    raise DataError("INGEST_NOT_FOUND", what="A file or folder does not exist.", got=shown, state=_UNTOUCHED, fix="Correct the path.")


def _glob(fs: Any, path: str, prefix: str, shown: str) -> list[SourceFile]:
    out = []
    for name, info in sorted(fs.glob(path, detail=True).items()):
        if not _hidden(PurePosixPath(name).name):
            out += [_file(fs, info, prefix)] if info["type"] == "file" else _folder(fs, name, prefix, prefix + name)
    if not out:
        raise DataError("INGEST_NO_MATCH", what="No file matches the pattern.", got=shown, state=_UNTOUCHED, fix="Correct the pattern.")
    return out


def _hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _folder(fs: Any, path: str, prefix: str, shown: str) -> list[SourceFile]:
    out = []
    for name, info in sorted(fs.find(path, detail=True).items()):
        inside = PurePosixPath(name).relative_to(PurePosixPath(path)) if name.startswith(path) else PurePosixPath(name)
        if info["type"] == "file" and not any(_hidden(part) for part in inside.parts) and _format(name):
            out.append(_file(fs, info, prefix))
    if not out:
        raise DataError(
            "INGEST_EMPTY_FOLDER",
            what="A folder holds no file that can be read.",
            got=shown,
            expected=f"files that end in {FORMATS_TEXT}",
            state=_UNTOUCHED,
            fix="Name the right folder.",
        )
    return out


def _format(name: str) -> tuple[str, Literal["gzip", "zstd"] | None] | None:
    low = name.lower()
    return next((form for suffix, form in _FORMATS.items() if low.endswith(suffix)), None)


def _file(fs: Any, info: dict[str, Any], prefix: str) -> SourceFile:
    name = str(info["name"])
    form = _format(name)
    if form is None:
        raise DataError(
            "INGEST_UNKNOWN_FORMAT",
            what="The name of a file does not say how to read it.",
            got=_show(prefix + name),
            expected=f"a name that ends in {FORMATS_TEXT}",
            state=_UNTOUCHED,
            fix="Rename or convert the file.",
        )
    if not info["size"]:
        raise DataError(
            "INGEST_EMPTY_FILE",
            what="A file is empty.",
            got=_show(prefix + name),
            state=_UNTOUCHED,
            fix="Ask the supplier for the file again, or leave it out.",
        )
    return SourceFile(fs, name, _show(prefix + name), form[0], form[1], int(info["size"]))


def codec(file: SourceFile, stream: Any) -> Any:
    """The stream, decompressed if the file as a whole is compressed."""
    return pa.CompressedInputStream(stream, file.compression) if file.compression else stream
