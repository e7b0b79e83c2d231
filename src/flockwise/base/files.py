"""Writing a file so that it is there whole or not at all, whatever happens."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["sync", "write_durably"]


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


def sync(path: Path) -> None:
    """Makes a file, or what was moved into a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
