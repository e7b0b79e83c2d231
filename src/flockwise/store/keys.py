"""The secret key of the pseudonyms: 32 random bytes in a file of its own, readable by its owner alone, never inside the store."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from flockwise.errors import ConfigError, RuleError, StoreError

__all__ = ["KEY_BYTES", "create", "derive", "load"]

KEY_BYTES = 32


def create(path: Path) -> None:
    """Writes a new key file with mode 0600.

    Raises:
        ConfigError: the file exists already (STORE_KEY_EXISTS) or can't be written (STORE_KEY_FOLDER).
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigError(
            "STORE_KEY_EXISTS",
            what="The key file exists already; a key is never overwritten, because a store can't be read or continued without its own.",
            got=str(path),
            fix="Keep this key, or name another file in [store] key.",
        ) from error
    except OSError as error:
        raise ConfigError(
            "STORE_KEY_FOLDER",
            what="The key file can't be written.",
            got=f"{path}: {type(error).__name__}",
            fix="Make the folder, or name another file in [store] key.",
        ) from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())


def load(path: Path) -> bytes:
    """The 32 bytes of a key file.

    Raises:
        ConfigError: the file is missing (STORE_KEY_MISSING).
        RuleError: others than its owner may read or write it (STORE_KEY_MODE).
        StoreError: it is not 64 hexadecimal digits (STORE_KEY_BAD).
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(1024)
    except OSError as error:
        raise ConfigError(
            "STORE_KEY_MISSING",
            what="The key file of the pseudonyms can't be read.",
            got=f"{path}: {type(error).__name__}",
            expected="the file that flockwise init wrote",
            fix="Correct [store] key, or bring the file back from its safe place.",
        ) from error
    if mode & 0o077:
        raise RuleError(
            "STORE_KEY_MODE",
            what="Others than its owner have rights on the key file of the pseudonyms.",
            got=f"{path}: mode {mode:04o}",
            expected="mode 0600",
            fix=f"Run: chmod 600 {path}. If others may have read it, make a new key and a new store.",
        )
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreError(
            "STORE_KEY_BAD",
            what="The key file of the pseudonyms does not hold a key.",
            got=str(path),
            expected=f"{2 * KEY_BYTES} hexadecimal digits",
            fix="Correct [store] key, or bring the file back from its safe place.",
        )
    return key


def derive(key: bytes, purpose: str, *parts: str) -> bytes:
    """A 32-byte key for one purpose: HMAC-SHA256 of the purpose and its parts under the secret key.

    Args:
        key: the 32 bytes of the key file.
        purpose: fixed name of the use.
        parts: what else the key is for; joined unambiguously.
    """
    message = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in ("flockwise", purpose, *parts))
    return hmac.new(key, message, hashlib.sha256).digest()
