"""The key that signs the trail: Ed25519 (RFC 8032), in a file of its own that its owner alone can read."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from flockwise.base.files import create_private, read_private
from flockwise.errors import ConfigError, RuleError, TrailError

__all__ = ["Ed25519PrivateKey", "create", "is_signed", "load", "public_of"]


def create(path: Path) -> str:
    """Writes a new key (PEM, PKCS 8) with mode 0600 and gives its public key in hexadecimal.

    Raises:
        ConfigError: the file exists already (TRAIL_KEY_EXISTS) or can't be written (TRAIL_KEY_FOLDER).
    """
    key = Ed25519PrivateKey.generate()
    try:
        create_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    except FileExistsError as error:
        raise ConfigError("TRAIL_KEY_EXISTS", what="The key file of the trail exists already; a key is never overwritten.", got=str(path)) from error
    except OSError as error:
        raise ConfigError("TRAIL_KEY_FOLDER", what="The key file of the trail can't be written.", got=f"{path}: {type(error).__name__}") from error
    return public_of(key)


def load(path: Path) -> Ed25519PrivateKey:
    """The key of a file.

    Raises:
        ConfigError: the file is missing (TRAIL_KEY_MISSING).
        RuleError: others than its owner have rights on it (TRAIL_KEY_MODE).
        TrailError: it holds no Ed25519 key (TRAIL_KEY_BAD).
    """
    try:
        text, mode = read_private(path)
    except OSError as error:
        raise ConfigError(
            "TRAIL_KEY_MISSING",
            what="The key file of the trail can't be read.",
            got=f"{path}: {type(error).__name__}",
            expected="the file that flockwise init wrote",
            state="Nothing was recorded.",
            fix="Correct [trail] key, or bring the file back from its safe place.",
        ) from error
    if mode & 0o077:
        raise RuleError(
            "TRAIL_KEY_MODE",
            what="Others than its owner have rights on the key file of the trail.",
            got=f"{path}: mode {mode:04o}",
            expected="mode 0600",
            fix=f"Run: chmod 600 {path}. If others may have read it, record an incident.",
        )
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise TrailError("TRAIL_KEY_BAD", what="The key file of the trail holds no Ed25519 key.", got=str(path), fix="Bring the file back from its safe place.")
    return key


def public_of(key: Ed25519PrivateKey) -> str:
    """The public key as 64 hexadecimal digits."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def is_signed(public: str, signature: str, message: bytes) -> bool:
    """Whether a signature is that of a message under a public key."""
    if re.fullmatch("[0-9a-f]{128}", signature) is None:  # bytes.fromhex passes over blanks: a signature is written in one way alone
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
