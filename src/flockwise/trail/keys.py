"""The key that signs the trail: Ed25519 (RFC 8032), in a file of its own that its owner alone can read."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from flockwise.base.keyfiles import create_key_file, read_key_file
from flockwise.errors import TrailError

__all__ = ["Ed25519PrivateKey", "create", "is_signed", "load", "public_of"]

_FILE, _SETTING = "The signing key's file", "[trail] key"


def create(path: Path) -> str:
    """Writes a new key (PEM, PKCS 8) with mode 0600 and gives its public key in hexadecimal.

    Raises:
        ConfigError: the file exists already (TRAIL_KEY_EXISTS) or can't be written (TRAIL_KEY_FOLDER).
    """
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    create_key_file(path, content, kind="TRAIL_KEY", what=_FILE, setting=_SETTING)
    return public_of(key)


def load(path: Path) -> Ed25519PrivateKey:
    """The key of a file.

    Raises:
        ConfigError: the file is missing (TRAIL_KEY_MISSING).
        RuleError: others than its owner have rights on it (TRAIL_KEY_MODE).
        TrailError: it holds no Ed25519 key (TRAIL_KEY_BAD).
    """
    text = read_key_file(path, kind="TRAIL_KEY", what=_FILE, setting=_SETTING, stolen="If others may have read it, record an incident.")
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
