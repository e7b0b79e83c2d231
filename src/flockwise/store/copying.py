"""A copy of a store's sealed files where the machines of a cluster read them: made anew from the store after each change, and rid first of what is gone."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from flockwise.errors import StoreError
from flockwise.store.buckets import SEGMENTS
from flockwise.store.locking import alone, locked
from flockwise.store.manifest import Manifest

__all__ = ["update_copy"]


def update_copy(root: Path, fs: Any, base: str, shown: str) -> None:
    """Makes a copy equal to the store: what the store has no more goes before anything is added. Safe to repeat, and to kill at any moment.

    What is removed may be in use by a release on this machine: its end is waited for, as a deletion does.

    Args:
        root: folder of the store.
        fs: where the copy lies, as fsspec sees it.
        base: folder there; the segments lie in a folder of it.
        shown: its name for messages.

    Raises:
        StoreError: the copy can't be written, or what was written is not there (STORE_COPY).
    """
    try:
        with locked(root, wait=True):
            wanted = _wanted(root)
            folder = f"{base.rstrip('/')}/{SEGMENTS}"
            present = _present(fs, folder)
            gone = sorted(present.keys() - wanted.keys())
            with alone(root / SEGMENTS) if gone else nullcontext():
                for name in gone:
                    fs.rm(f"{folder}/{name}")
            for name, size in sorted(wanted.items()):
                if present.get(name) != size:
                    fs.makedirs(f"{folder}/{name.partition('/')[0]}", exist_ok=True)
                    fs.put_file(str(root / SEGMENTS / name), f"{folder}/{name}")
            if _present(fs, folder) != wanted:
                raise OSError("other files than were written")
    except StoreError:
        raise
    except Exception as error:  # any fsspec back end may raise its own
        raise StoreError(
            "STORE_COPY",
            what="The copy of the store at [engine.spark] store_address can't be brought up to date.",
            got=f"{shown}: {type(error).__name__}",
            state="The store itself is changed. The copy may still hold what was deleted from it.",
            fix="Check the address and the rights there, and run the command again. If the copy is no longer wanted, remove it by hand.",
        ) from error


def _wanted(root: Path) -> dict[str, int]:
    """Every file that counts, and its size."""
    manifest = Manifest.read(root)
    names = [f"{segment.name}/{file}" for segment in manifest.segments for file in segment.files]
    return {name: (root / SEGMENTS / name).stat().st_size for name in names}


def _present(fs: Any, folder: str) -> dict[str, int]:
    """Every file below a folder, and its size."""
    fs.invalidate_cache()
    if not fs.exists(folder):
        return {}
    return {name[len(folder) :].lstrip("/"): int(info["size"]) for name, info in fs.find(folder, detail=True, on_error="raise").items()}
