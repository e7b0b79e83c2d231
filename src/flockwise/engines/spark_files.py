"""Files wherever Hadoop's file systems reach, seen from the driver: as fsspec sees its own, so that one code lists and opens both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["HadoopFiles", "copy_place", "files_at", "scheme_of"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_NOT_OURS = frozenset({"file", "local", "memory", "http", "https", "ftp", "sftp"})
"""Of this machine, or known to Hadoop without sizes or without a way to begin in the middle of a file."""
_ERRORS: dict[str, type[OSError]] = {"FileNotFoundException": FileNotFoundError, "AccessControlException": PermissionError}


def scheme_of(address: str) -> str | None:
    """The scheme of an address that Hadoop may know; None for paths and for what fsspec alone reads."""
    found = _SCHEME.match(address)
    return None if found is None or "::" in address or found[1].lower() in _NOT_OURS else found[1].lower()


def files_at(spark: SparkSession, address: str) -> tuple[HadoopFiles, str] | None:
    """The file system of an address and the path in it; None if no connector of the session knows its scheme."""
    scheme = scheme_of(address)
    if scheme is None:
        return None
    files = HadoopFiles(spark, scheme)
    return (files, files._strip_protocol(address)) if files.known else None


def copy_place(spark: SparkSession, address: str) -> tuple[Any, str]:
    """Where Spark reads an address from, for writing: the file system and the path in it. An address without a scheme is in the cluster's own file system.

    Raises:
        OSError: no connector of the session knows it, or it can't be reached.
    """
    with _plainly():
        at = spark.sparkContext._jvm.org.apache.hadoop.fs.Path(address)  # type: ignore[union-attr]  # there is a Java
        whole = str(at.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()).makeQualified(at).toString())
    if whole.startswith("file:"):
        return LocalFileSystem(), whole.removeprefix("file:")
    files = HadoopFiles(spark, whole.partition("://")[0])
    return files, files._strip_protocol(whole)


class HadoopFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no stubs
    """The file systems of one scheme, by the connectors and with the settings of a Spark session.

    A path is host (or bucket) and path, without the scheme. Lives in the driver alone.

    Args:
        spark: the session.
        scheme: such as "hdfs".
    """

    cachable = False

    def __init__(self, spark: SparkSession, scheme: str) -> None:
        super().__init__()
        self.protocol = scheme
        self._jvm: Any = spark.sparkContext._jvm
        self._settings: Any = spark._jsparkSession.sessionState().newHadoopConf()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return [cls._strip_protocol(p) for p in path] if isinstance(path, list) else _SCHEME.sub("", str(path), count=1).rstrip("/")

    @property
    def known(self) -> bool:
        """Whether a connector for the scheme can be loaded."""
        try:
            with _plainly():
                self._jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass(self.protocol, self._settings)
        except OSError:
            return False
        return True

    def address(self, path: str) -> str:
        """The whole address of a path."""
        return f"{self.protocol}://{path}" if "/" in path else f"{self.protocol}://{path}/"

    def to_json(self, *, include_password: bool = True) -> str:
        """Tells this file system from others."""
        return f"hadoop {self.protocol}"

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What lies in a folder."""
        with _plainly():
            found = [self._told(status) for status in self._at(path)[0].listStatus(self._at(path)[1])]
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Size, kind and time of a file."""
        files, at = self._at(path)
        with _plainly():
            return self._told(files.getFileStatus(at)) | {"name": self._strip_protocol(path)}

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is such a file or folder; what can't be reached is an error."""
        return self._kind(path) != ""

    def walk(self, path: str, *given: Any, **more: Any) -> Iterator[Any]:
        """Folders and what lies in them. fsspec's own passes over a folder that can't be listed, and a delivery would lack it."""
        return iter(super().walk(path, *given, **{"on_error": _unless_missing, **more}))

    def isfile(self, path: str) -> bool:
        """Whether there is such a file; what can't be reached is an error."""
        return self._kind(path) == "file"

    def isdir(self, path: str) -> bool:
        """Whether there is such a folder."""
        return self._kind(path) == "directory"

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Makes a folder and those above it."""
        files, at = self._at(path)
        with _plainly():
            files.mkdirs(at)

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        """Writes a file of this machine there, in place of one that may be there."""
        files, at = self._at(rpath)
        with _plainly():
            here = self._jvm.org.apache.hadoop.fs.Path(self._jvm.java.io.File(lpath).toURI())
            files.copyFromLocalFile(False, True, here, at)

    def rm_file(self, path: str) -> None:
        """Removes a file."""
        files, at = self._at(path)
        with _plainly():
            files.delete(at, False)

    def modified(self, path: str) -> datetime:
        """When a file was changed."""
        return datetime.fromtimestamp(self.info(path)["modified"] / 1000, UTC)

    def sha256(self, path: str) -> bytes:
        """Digest of a file, made where its bytes arrive: they are not handed to Python."""
        files, at = self._at(path)
        with _plainly():
            stream = files.open(at)
            try:
                return bytes(self._jvm.org.apache.commons.codec.digest.DigestUtils.sha256(stream))
            finally:
                stream.close()

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **_: Any) -> _HadoopFile:
        return _HadoopFile(self, path, mode, block_size or 1 << 20, cache_type="readahead")

    def read_range(self, path: str, begin: int, length: int) -> bytes:
        """Some bytes of a file."""
        files, at = self._at(path)
        with _plainly():
            stream = files.open(at)
            try:
                stream.seek(begin)
                return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream, length))
            finally:
                stream.close()

    def _kind(self, path: str) -> str:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return ""

    def _at(self, path: str) -> tuple[Any, Any]:
        with _plainly():
            at = self._jvm.org.apache.hadoop.fs.Path(self.address(self._strip_protocol(path)))
            return at.getFileSystem(self._settings), at

    def _told(self, status: Any) -> dict[str, Any]:
        folder = bool(status.isDirectory())
        name = self._strip_protocol(status.getPath().toString())
        return {"name": name, "size": int(status.getLen()), "type": "directory" if folder else "file", "modified": int(status.getModificationTime())}


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


class _HadoopFile(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        found: bytes = self.fs.read_range(self.path, start, min(end, self.size) - start)
        return found


@contextmanager
def _plainly() -> Iterator[None]:
    """Java's errors as Python's, without their texts, which may hold credentials of an address."""
    from py4j.protocol import Py4JError, Py4JJavaError

    try:
        yield
    except Py4JJavaError as error:
        name = error.java_exception.getClass().getSimpleName()
        raise _ERRORS.get(name, OSError)(name) from None
    except Py4JError as error:
        raise OSError(type(error).__name__) from None
