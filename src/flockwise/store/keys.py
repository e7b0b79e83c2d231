"""The master key: 32 random bytes from a file of its own that its owner alone may read, from the environment, or from a command of a key service.

It wraps the secrets of stores and lists, and makes nothing else; it is never inside a store.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shlex
import subprocess
from pathlib import Path

from flockwise.base.keyfiles import create_key_file, read_key_file
from flockwise.errors import ConfigError, StoreError

__all__ = ["KEY_BYTES", "create", "derive", "load"]

KEY_BYTES = 32
COMMAND_SECONDS = 30
_EXPECTED = f"{2 * KEY_BYTES} hexadecimal digits"
_FILE, _SETTING = "The master key's file", "[store] key"


def create(path: Path) -> None:
    """Writes a new key file with mode 0600.

    Raises:
        ConfigError: the file exists already (STORE_KEY_EXISTS) or can't be written (STORE_KEY_FOLDER).
    """
    content = f"{secrets.token_hex(KEY_BYTES)}\n".encode("ascii")
    create_key_file(path, content, kind="STORE_KEY", what=_FILE, setting=_SETTING)


def load(source: Path | str) -> bytes:
    """The 32 bytes of a key.

    Args:
        source: a file; "env:NAME", an environment variable; or "command:...", a command that prints the key, run without a shell and with a time limit.

    Raises:
        ConfigError: it is missing (STORE_KEY_MISSING), or the command fails (STORE_KEY_COMMAND). Nothing that a command prints is repeated.
        RuleError: others than its owner may read or write the file (STORE_KEY_MODE).
        StoreError: it is not 64 hexadecimal digits (STORE_KEY_BAD).
    """
    text = str(source)
    if text.startswith("env:"):
        return _parsed(_from_environment(text.removeprefix("env:")).encode(), text)
    if text.startswith("command:"):
        return _parsed(_from_command(text.removeprefix("command:")), text.split()[0])
    return _parsed(_from_file(Path(source)), text)


def _from_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError as error:
        raise ConfigError(
            "STORE_KEY_MISSING", what="The master key is not in the environment.", got=name, expected=_EXPECTED, fix="Set the variable, or correct [store] key."
        ) from error


def _from_command(command: str) -> bytes:
    try:
        words = shlex.split(command)
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=True)  # noqa: S603 - the study names it
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        raise ConfigError(
            "STORE_KEY_COMMAND",
            what="The command that gives the master key fails.",
            got=type(error).__name__,
            expected=f"exit code 0 within {COMMAND_SECONDS} seconds, and {_EXPECTED} on its standard output",
            fix="Run it by hand as the same user.",
        ) from None  # the error holds what the command printed
    return done.stdout


def _from_file(path: Path) -> bytes:
    stolen = "If others may have read it, make a new key and run flockwise rotate."
    return read_key_file(path, kind="STORE_KEY", what=_FILE, setting=_SETTING, stolen=stolen)


def _parsed(text: bytes, shown: str) -> bytes:
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreError("STORE_KEY_BAD", what="What [store] key names is not a key.", got=shown, expected=_EXPECTED, fix="Correct [store] key.")
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
