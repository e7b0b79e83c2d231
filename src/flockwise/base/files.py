"""Writing a file so that it is there whole or not at all, whatever happens."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

__all__ = ["create_private", "read_private", "sync", "write_durably"]


def write_durably(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Writes a file in one step: aside in the same folder, to the disk, then into place.

    Args:
        path: the file; its folder exists.
        content: what it is to hold.
        mode: permissions of a new file.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync(path.parent)


def create_private(path: Path, content: bytes) -> None:
    """Writes a new file that its owner alone may read and write; durable on return.

    Args:
        path: the file; its folder exists.
        content: what it is to hold.

    Raises:
        OSError: it exists already (FileExistsError) or can't be written.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def read_private(path: Path, most: int = 4096) -> tuple[bytes, int]:
    """What a secret file holds and its mode, both of the one file that was opened.

    Args:
        path: the file.
        most: bytes that are read; secrets are short.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return file.read(most), stat.S_IMODE(os.fstat(file.fileno()).st_mode)


def sync(path: Path) -> None:
    """Makes a file, or what was moved into a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
