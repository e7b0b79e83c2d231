"""Pseudonyms: AES-CMAC with a 128-bit key and AES-128 over whole columns of identifiers.

CMAC of one block is AES(block xor subkey), computed for all rows in a single ECB call of OpenSSL. Only distinct devices cost a SHA-256 each.

Source: NIST SP 800-38B; RFC 4493.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from numba import njit

from flockwise.store import keys

__all__ = ["LONGEST_ID", "Pseudonyms", "cmac_fixed"]

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

LONGEST_ID = 256
"""Longer identifiers than this many bytes are refused as unreadable, so that one row can't cost unbounded work."""


class _Aes:
    """AES-128 on arrays of blocks, and the two subkeys of CMAC."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - CMAC is built on the plain block cipher
        start = self.blocks(np.zeros((1, 16), np.uint8)).tobytes()
        self.k1 = _double(start)
        self.k2 = _double(self.k1)

    def __reduce__(self) -> tuple[type[_Aes], tuple[bytes]]:
        return _Aes, (self._key,)

    def blocks(self, data: Bytes) -> Bytes:
        """Encrypted blocks of a contiguous (n, 16) array."""
        return self._through(self._cipher.encryptor(), data)

    def decrypted(self, data: Bytes) -> Bytes:
        """The blocks whose encryption a contiguous (n, 16) array is."""
        return self._through(self._cipher.decryptor(), data)

    @staticmethod
    def _through(context: CipherContext, data: Bytes) -> Bytes:
        if not data.size:
            return data.copy()
        out = np.empty(data.size + 16, np.uint8)
        done = context.update_into(data.data.cast("B"), out.data)
        return out[:done].reshape(-1, 16)


def _double(block: bytes) -> bytes:
    value = int.from_bytes(block, "big") << 1
    if value >> 128:
        value = (value ^ 0x87) & ((1 << 128) - 1)
    return value.to_bytes(16, "big")


def cmac_fixed(key: bytes, values: Bytes) -> Bytes:
    """The CMAC of each row of a (n, k) array, k from 1 to 16, as a (n, 16) array."""
    aes = _Aes(key)
    return _fixed(aes, values)


def _fixed(aes: _Aes, values: Bytes) -> Bytes:
    n, k = values.shape
    block = np.zeros((n, 16), np.uint8)
    block[:, :k] = values
    if k < 16:
        block[:, k] = 0x80
    words = block.view(np.uint64)
    words ^= np.frombuffer(aes.k1 if k == 16 else aes.k2, np.uint64)
    return aes.blocks(block)


class Pseudonyms:
    """What stands for a device, in three steps that only keys connect.

    - tag: while a delivery is read, one AES block of the identifier (of its SHA-256, if it is a text). It lives in memory and in sealed spills, and says in
      which bucket a device lies.
    - base: CMAC of the first 128 bits of the SHA-256 of the normalised identifier, under the data set's key. The suppression list holds these; they can be
      computed from an identifier or from its hash, and are the same in every window.
    - pseudonym: AES of the base under the store's window key. The store holds these; two stores have nothing in common.

    Pickled, it holds the three AES keys and none of the secrets that they are derived from.

    Args:
        device_type: "integer", "text" or "uuid"; each kind has keys of its own.
        window: key of the store's pseudonyms, 32 bytes.
        marks: secret of the store that outlives the window key, 32 bytes; of the tags.
        dataset: secret of the data set's suppression list, 32 bytes; of the bases.
    """

    def __init__(self, device_type: str, *, window: bytes, marks: bytes, dataset: bytes) -> None:
        self._kind = device_type
        self._tag = _Aes(keys.derive(marks, "tag", device_type)[:16])
        self._base = _Aes(keys.derive(dataset, "base", device_type)[:16])
        self._window = _Aes(keys.derive(window, "pseudonym")[:16])

    def of_integers(self, ids: Ints) -> tuple[Ints, Ints]:
        """High and low halves of the tags of 64-bit integers (8 bytes, big-endian)."""
        block = np.empty((len(ids), 2), np.uint64)
        _integer_blocks(ids, np.frombuffer(self._tag.k2, np.uint64), block)
        return _halves(self._tag.blocks(block.view(np.uint8)))

    def of_uuids(self, ids: Bytes) -> tuple[Ints, Ints]:
        """High and low halves of the tags of UUIDs, (n, 16) bytes."""
        return _halves(_fixed(self._tag, ids))

    def of_texts(self, data: Bytes, offsets: Ints) -> tuple[Ints, Ints]:
        """High and low halves of the tags of byte strings."""
        return _halves(_fixed(self._tag, _hashed_texts(data.tobytes(), offsets.tolist())))

    def bases(self, high: Ints, low: Ints) -> tuple[Ints, Ints]:
        """Halves of the bases of tags; about a microsecond each, so give each tag once."""
        ids = self._tag.decrypted(_joined(high, low)).view(np.uint64)
        if self._kind == "integer":
            numbers = (ids[:, 0] ^ np.frombuffer(self._tag.k2, np.uint64)[0]).byteswap().view(np.int64)
            return self.bases_of_hashes(_digests([str(i).encode() for i in numbers.tolist()]))
        raw = (ids ^ np.frombuffer(self._tag.k1, np.uint64)).view(np.uint8)
        return self.bases_of_hashes(raw if self._kind == "text" else _digests(_canonical(raw)))

    def bases_of_hashes(self, hashes: Bytes) -> tuple[Ints, Ints]:
        """Halves of the bases of (n, 16) first bytes of SHA-256 digests of normalised identifiers."""
        return _halves(_fixed(self._base, hashes))

    def of_bases(self, high: Ints, low: Ints) -> tuple[Ints, Ints]:
        """Halves of the pseudonyms of bases."""
        return _halves(self._window.blocks(_joined(high, low)))

    def to_bases(self, high: Ints, low: Ints) -> tuple[Ints, Ints]:
        """Halves of the bases of pseudonyms: what a change of the window key needs."""
        return _halves(self._window.decrypted(_joined(high, low)))


def _hashed_texts(data: bytes, offsets: list[int]) -> Bytes:
    known: dict[bytes, bytes] = {}
    out = []
    for i in range(len(offsets) - 1):
        text = data[offsets[i] : offsets[i + 1]]
        found = known.get(text)
        if found is None:
            found = known[text] = hashlib.sha256(text).digest()[:16]
        out.append(found)
    return np.frombuffer(b"".join(out), np.uint8).reshape(-1, 16)


def _digests(texts: list[bytes]) -> Bytes:
    return np.frombuffer(b"".join([hashlib.sha256(t).digest()[:16] for t in texts]), np.uint8).reshape(-1, 16)


_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_DASHED = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


def _canonical(raw: Bytes) -> list[bytes]:
    """UUIDs as lower-case text with hyphens."""
    out = np.full((len(raw), 36), ord("-"), np.uint8)
    out[:, _DASHED[0::2]] = _HEX[raw >> 4]
    out[:, _DASHED[1::2]] = _HEX[raw & 15]
    text = out.tobytes()
    return [text[i : i + 36] for i in range(0, len(text), 36)]


def _joined(high: Ints, low: Ints) -> Bytes:
    out = np.empty((len(high), 2), np.int64)
    out[:, 0], out[:, 1] = high, low
    return out.byteswap().view(np.uint8)


def _halves(macs: Bytes) -> tuple[Ints, Ints]:
    high, low = np.empty(len(macs), np.int64), np.empty(len(macs), np.int64)
    _split(macs.view(np.uint64), high, low)
    return high, low


@njit(inline="always")
def _swap(value: np.uint64) -> np.uint64:
    """The eight bytes in the opposite order (every machine that numba knows here is little-endian)."""
    value = ((value & np.uint64(0x00FF00FF00FF00FF)) << np.uint64(8)) | ((value >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF))
    value = ((value & np.uint64(0x0000FFFF0000FFFF)) << np.uint64(16)) | ((value >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF))
    return (value << np.uint64(32)) | (value >> np.uint64(32))


@njit(nogil=True, cache=True)
def _integer_blocks(ids: Ints, k2: Words, block: Words) -> None:
    padding = np.uint64(0x80) ^ k2[1]
    for i in range(len(ids)):
        block[i, 0] = _swap(np.uint64(ids[i])) ^ k2[0]
        block[i, 1] = padding


@njit(nogil=True, cache=True)
def _split(macs: Words, high: Ints, low: Ints) -> None:
    for i in range(len(macs)):
        high[i] = np.int64(_swap(macs[i, 0]))
        low[i] = np.int64(_swap(macs[i, 1]))
