"""A store's own secrets: random, wrapped under the master key in its manifest, and gone for ever when the manifest forgets them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from flockwise.store import keys
from flockwise.store.sealing import BrokenSealError, Sealer, unwrap, wrap

__all__ = ["Keyring", "key_id"]

_BYTES = 32


@dataclass(frozen=True)
class Keyring:
    """The two secrets of one store.

    Args:
        window: encrypts the files and makes the pseudonyms of this store; another one for every store, so that no two windows can be linked without keys.
        marks: of digests and marks that must outlive a change of the window key.
    """

    window: bytes
    marks: bytes

    @classmethod
    def new(cls) -> Keyring:
        """Fresh secrets from the operating system."""
        return cls(secrets.token_bytes(_BYTES), secrets.token_bytes(_BYTES))

    @classmethod
    def unwrapped(cls, master: bytes, text: str) -> Keyring:
        """The secrets that a manifest holds.

        Raises:
            BrokenSealError: another master key, or the text was changed.
        """
        try:
            raw = unwrap(keys.derive(master, "store keys"), bytes.fromhex(text))
        except ValueError as error:
            raise BrokenSealError("keys") from error
        if len(raw) != 2 * _BYTES:
            raise BrokenSealError("keys")
        return cls(raw[:_BYTES], raw[_BYTES:])

    def wrapped(self, master: bytes) -> str:
        """The secrets under the master key (AES key wrap), in hexadecimal."""
        return wrap(keys.derive(master, "store keys"), self.window + self.marks).hex()

    def with_new_window(self) -> Keyring:
        """The same marks, and another window key."""
        return Keyring(secrets.token_bytes(_BYTES), self.marks)

    def sealer(self) -> Sealer:
        """Of the store's files."""
        return Sealer(keys.derive(self.window, "files"))


def key_id(master: bytes) -> str:
    """Tells one master key from another without revealing either."""
    return keys.derive(master, "key id").hex()[:16]
