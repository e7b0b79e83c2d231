"""The digests of a delivery's files, taken while packages are imported and the store is made ready."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from flockwise.errors import DataError
from flockwise.store.sources import SourceFile, find

__all__ = ["EarlyDigests"]


class EarlyDigests:
    """SHA-256 of local files, taken by threads from the moment it is made until its block ends. Nothing is decoded: no row is read.

    What can't be found or read is not told here, since nobody has asked for it yet: `of` raises it, or who looks for the files again.

    Args:
        sources: files, folders, globs or addresses. What is elsewhere is not fetched ahead.
        threads: workers.
    """

    def __init__(self, sources: Sequence[str], threads: int) -> None:
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(threads, "flockwise-digest")
        try:
            found = [file for file in find([s for s in sources if "://" not in s and "::" not in s]) if file.local]
        except DataError:
            found = []
        # The stamp comes first: of what changes from here on the ingest says so at its end.
        self._begun: dict[str, tuple[tuple[Any, ...], Future[bytes]]] = {file.path: (file.stamp(), self._pool.submit(self._whole, file)) for file in found}

    def __enter__(self) -> EarlyDigests:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def stamp(self, file: SourceFile) -> tuple[Any, ...]:
        """The file's stamp before its digest was begun; of a file that is not known here the stamp of now."""
        begun = self._known(file)
        return file.stamp() if begun is None else begun[0]

    def of(self, file: SourceFile) -> bytes:
        """Digest of a file's bytes as delivered.

        Raises:
            DataError: INGEST_UNREADABLE.
        """
        begun = self._known(file)
        return file.sha256() if begun is None else begun[1].result()

    def _whole(self, file: SourceFile) -> bytes:
        found = file.sha256(self._over.is_set)
        if self._over.is_set():
            raise CancelledError
        return found

    def _known(self, file: SourceFile) -> tuple[tuple[Any, ...], Future[bytes]] | None:
        return self._begun.get(file.path) if file.local else None
