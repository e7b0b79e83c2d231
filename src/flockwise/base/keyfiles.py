"""Files that hold one secret key: made once, never overwritten, for their owner alone. The same words for every kind of key."""

from __future__ import annotations

from pathlib import Path

from flockwise.base.files import create_private, read_private
from flockwise.errors import ConfigError, RuleError

__all__ = ["create_key_file", "read_key_file"]


def create_key_file(path: Path, content: bytes, *, kind: str, what: str, setting: str) -> None:
    """Writes a new key file with mode 0600; durable on return.

    Args:
        path: the file; its folder exists.
        content: the key.
        kind: how its codes begin, such as "STORE_KEY".
        what: the file in words, such as "The master key's file".
        setting: where a study names it.

    Raises:
        ConfigError: the file exists already (..._EXISTS) or can't be written (..._FOLDER).
    """
    try:
        create_private(path, content)
    except FileExistsError as error:
        raise ConfigError(
            f"{kind}_EXISTS",
            what=f"{what} exists already; a key is never overwritten, because nothing else can take its place.",
            got=str(path),
            fix=f"Keep this key, or name another file in {setting}.",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{kind}_FOLDER",
            what=f"{what} can't be written.",
            got=f"{path}: {type(error).__name__}",
            fix=f"Make the folder, or name another file in {setting}.",
        ) from error


def read_key_file(path: Path, *, kind: str, what: str, setting: str, stolen: str) -> bytes:
    """What a key file holds.

    Args:
        path: the file.
        kind: how its codes begin.
        what: the file in words.
        setting: where a study names it.
        stolen: what to do if others may have read it, as a sentence.

    Raises:
        ConfigError: it can't be read (..._MISSING).
        RuleError: others than its owner have rights on it (..._MODE).
    """
    try:
        content, mode = read_private(path)
    except OSError as error:
        raise ConfigError(
            f"{kind}_MISSING",
            what=f"{what} can't be read.",
            got=f"{path}: {type(error).__name__}",
            expected="the key file that Flockwise wrote",
            state="Nothing was done.",
            fix=f"Correct {setting}, or bring the file back from its safe place.",
        ) from error
    if mode & 0o077:
        raise RuleError(
            f"{kind}_MODE",
            what=f"Others than its owner have rights on the file: {what[0].lower()}{what[1:]}.",
            got=f"{path}: mode {mode:04o}",
            expected="mode 0600",
            fix=f"Run: chmod 600 {path}. {stolen}",
        )
    return content
