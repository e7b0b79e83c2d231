"""Pseudonyms: AES-CMAC with a 128-bit key over whole columns of identifiers.

CMAC is computed as its definition says, state = AES(state xor block), but for all rows at once: step j encrypts the j-th block of every row that has one
in a single ECB call of OpenSSL. There is no loop over rows in Python.

Source: NIST SP 800-38B; RFC 4493.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numba import njit

from flockwise.store import keys

__all__ = ["LONGEST_ID", "Pseudonyms", "cmac_fixed", "cmac_texts"]

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

LONGEST_ID = 256
"""Longer identifiers than this many bytes are refused as unreadable, so that one row can't cost unbounded work."""


class _Aes:
    """AES-128 on arrays of blocks, and the two subkeys of CMAC."""

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - CMAC is built on the plain block cipher
        start = self.blocks(np.zeros((1, 16), np.uint8)).tobytes()
        self.k1 = _double(start)
        self.k2 = _double(self.k1)

    def blocks(self, data: Bytes) -> Bytes:
        """Encrypted blocks of a contiguous (n, 16) array."""
        if not data.size:
            return data.copy()
        out = np.empty(data.size + 16, np.uint8)
        done = self._cipher.encryptor().update_into(data.data.cast("B"), out.data)
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


def cmac_texts(key: bytes, data: Bytes, offsets: Ints) -> Bytes:
    """The CMAC of each of n byte strings, as a (n, 16) array.

    Args:
        key: 16 bytes.
        data: all strings, one after the other.
        offsets: n + 1 positions in `data`.
    """
    return _texts(_Aes(key), data, offsets)


def _texts(aes: _Aes, data: Bytes, offsets: Ints) -> Bytes:
    blocks = np.maximum(1, (np.diff(offsets) + 15) // 16)
    out = np.zeros((len(blocks), 16), np.uint8)
    k1, k2 = np.frombuffer(aes.k1, np.uint8), np.frombuffer(aes.k2, np.uint8)
    rows = np.arange(len(blocks))
    for j in range(int(blocks.max(initial=0))):
        if j:
            rows = rows[blocks[rows] > j]
        state = out if len(rows) == len(out) else out[rows]
        _absorb(state, data, offsets, rows, blocks, j, k1, k2)
        out[rows] = aes.blocks(state)
    return out


@njit(nogil=True, cache=True)
def _absorb(state: Bytes, data: Bytes, offsets: Ints, rows: Ints, blocks: Ints, j: int, k1: Bytes, k2: Bytes) -> None:
    for i in range(len(rows)):
        row = rows[i]
        start = offsets[row] + 16 * j
        left = offsets[row + 1] - start
        for b in range(min(left, 16)):
            state[i, b] ^= data[start + b]
        if j == blocks[row] - 1:
            if left < 16:
                state[i, left] ^= 0x80
            for b in range(16):
                state[i, b] ^= k1[b] if left == 16 else k2[b]


class Pseudonyms:
    """The pseudonyms of one data set and kind of identifier: 128 bits that mean nothing without the key.

    Args:
        key: the 32 bytes of the key file.
        device_type: "integer", "text" or "uuid"; each kind has a key of its own.
        dataset: name of the population and supplier; the same identifier has unrelated pseudonyms in two data sets.
    """

    def __init__(self, key: bytes, device_type: str, dataset: str) -> None:
        self._aes = _Aes(keys.derive(key, "pseudonym", device_type, dataset)[:16])

    def of_integers(self, ids: Ints) -> tuple[Ints, Ints]:
        """High and low halves of the pseudonyms of 64-bit integers (8 bytes, big-endian)."""
        block = np.empty((len(ids), 2), np.uint64)
        _integer_blocks(ids, np.frombuffer(self._aes.k2, np.uint64), block)
        return _halves(self._aes.blocks(block.view(np.uint8)))

    def of_uuids(self, ids: Bytes) -> tuple[Ints, Ints]:
        """High and low halves of the pseudonyms of UUIDs, (n, 16) bytes."""
        return _halves(_fixed(self._aes, ids))

    def of_texts(self, data: Bytes, offsets: Ints) -> tuple[Ints, Ints]:
        """High and low halves of the pseudonyms of byte strings."""
        return _halves(_texts(self._aes, data, offsets))


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
