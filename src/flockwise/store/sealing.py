"""The only place that turns tables into bytes at rest and back: encrypted and authenticated, each file under a key of its own.

Files of the store are Parquet under modular encryption (AES-256-GCM for every page, header and footer), so that other readers of the standard can open
them with the key. A file's data key is random and lies in its footer, wrapped with AES-GCM under the store's file key; the wrap is bound to the file's
name, so that one file can't stand in for another. Rows of a running ingest that are spilled, or sent from process to process, are AES-GCM under keys that
Flockwise writes nowhere.

Source: Apache Parquet, "Parquet Modular Encryption"; NIST SP 800-38D (GCM); RFC 3394 (key wrap); RFC 7693 (BLAKE2); Rogaway and Shrimpton 2006 (a nonce
that is a keyed hash of the content).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

__all__ = ["BrokenSealError", "ParcelSeal", "Sealer", "SpillSeal", "unwrap", "wrap"]

_NONCE = 12
_MAGIC = b"PARE"  # ends a file whose footer is encrypted


class BrokenSealError(ValueError):
    """What was read is not what was sealed under this key and name: damaged, exchanged, or of another key."""


class Sealer:
    """Seals tables under one key. Safe to use from several threads.

    Args:
        key: 32 secret bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, table: pa.Table, name: str, dictionary: Sequence[str] = (), differences: Sequence[str] = ()) -> memoryview:
        """The table as an encrypted Parquet file.

        Args:
            table: any table.
            name: where the file will lie, from the folder that its key belongs to; only under this name it can be opened.
            dictionary: columns of few distinct values.
            differences: columns of whole numbers that change little from row to row.
        """
        factory = self._factory(name)
        kinds: Any = pe.EncryptionConfiguration  # the stubs don't know all of its arguments
        how = kinds(footer_key=name, uniform_encryption=True, encryption_algorithm="AES_GCM_V1", data_key_length_bits=256, double_wrapping=False)
        sink = pa.BufferOutputStream()
        distinct: Any = list(dictionary)  # the stubs know only bool
        deltas: Any = dict.fromkeys(differences, "DELTA_BINARY_PACKED") or None
        pq.write_table(
            table,
            sink,
            compression="none",  # measured: lz4 costs 1.3 CPU seconds per 20M rows more and saves a tenth of the bytes
            use_dictionary=distinct,
            column_encoding=deltas,
            write_statistics=False,
            row_group_size=1 << 20,
            write_batch_size=1 << 16,  # 1,024 by default: a twelfth of the time of encoding
            encryption_properties=factory.file_encryption_properties(pe.KmsConnectionConfig(), how),
        )
        return memoryview(sink.getvalue())

    def unseal(self, data: Any, name: str) -> pa.Table:
        """The table in an encrypted file.

        Args:
            data: the file's bytes, or anything that pyarrow reads a file from.
            name: the name under which it was sealed.

        Raises:
            BrokenSealError: it was changed, cut, sealed under another key or name, or not sealed at all.
            OSError: it can't be read.
        """
        factory = self._factory(name)
        source: Any = pa.BufferReader(data) if isinstance(data, bytes | memoryview) else data
        try:
            source.seek(max(0, source.size() - len(_MAGIC)))
            if source.read() != _MAGIC:  # a plain file would be read without asking for a key
                raise BrokenSealError(name)
            opened = factory.file_decryption_properties(pe.KmsConnectionConfig())
            with pq.ParquetFile(source, decryption_properties=opened) as file:
                return file.read(use_threads=False)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError, InvalidTag) as error:
            raise BrokenSealError(name) from error

    def _factory(self, name: str) -> pe.CryptoFactory:
        """A factory for one file alone: pyarrow's own would keep keys in a cache."""
        return pe.CryptoFactory(lambda _: _Keys(self._key, name))


class _Keys(pe.KmsClient):
    """Parquet's view of the file key: wraps the data key of one file, bound to its name."""

    def __init__(self, key: bytes, name: str) -> None:
        super().__init__()
        self._gcm, self._name = AESGCM(key), name.encode()

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> Any:  # bytes, where the stubs say text
        nonce = secrets.token_bytes(_NONCE)
        return base64.b64encode(nonce + self._gcm.encrypt(nonce, key_bytes, self._name))

    def unwrap_key(self, wrapped_key: Any, master_key_identifier: str) -> Any:
        raw = base64.b64decode(wrapped_key)
        return self._gcm.decrypt(raw[:_NONCE], raw[_NONCE:], self._name)


class SpillSeal:
    """Seals the temporary rows of one ingest under a key that lives in this object alone: what a crash leaves is noise to everybody."""

    OVERHEAD = 16

    def __init__(self) -> None:
        self._gcm = AESGCM(AESGCM.generate_key(bit_length=256))

    def seal(self, data: memoryview, place: int) -> bytes:
        """The bytes, encrypted; longer by OVERHEAD.

        Args:
            data: the plain bytes.
            place: a number below 2^96 that is never used twice with this object.
        """
        return self._gcm.encrypt(place.to_bytes(_NONCE, "big"), data, None)

    def unseal(self, data: bytes | memoryview, place: int) -> bytes:
        """The plain bytes.

        Raises:
            BrokenSealError: they are not what was sealed at this place.
        """
        try:
            return self._gcm.decrypt(place.to_bytes(_NONCE, "big"), data, None)
        except InvalidTag as error:
            raise BrokenSealError("spill") from error


class ParcelSeal:
    """Seals what the processes of one ingest send each other, under keys that are made for it and sent to them; and the tables of sensitive places.

    The nonce is a keyed hash of the content and its label. So two contents never share one, whatever the processes do, and who has to send the same content
    again sends the same bytes: Spark gives a job up if what it runs again comes out otherwise.

    Args:
        keys: 64 secret bytes, half for the hash; default: new ones.
    """

    OVERHEAD = _NONCE + 16

    def __init__(self, keys: bytes | None = None) -> None:
        self._keys = keys or secrets.token_bytes(64)
        self._gcm = AESGCM(self._keys[:32])

    def __reduce__(self) -> tuple[type[ParcelSeal], tuple[bytes]]:
        return ParcelSeal, (self._keys,)

    def seal(self, data: bytes | memoryview, label: bytes) -> bytes:
        """The bytes, encrypted and bound to a label; longer by OVERHEAD.

        Args:
            data: the plain bytes.
            label: of one length for all parcels.
        """
        made = hashlib.blake2b(label, key=self._keys[32:], digest_size=_NONCE)
        made.update(data)
        nonce = made.digest()
        return nonce + self._gcm.encrypt(nonce, data, label)

    def unseal(self, data: bytes | memoryview, label: bytes) -> bytes:
        """The plain bytes.

        Raises:
            BrokenSealError: they are not what was sealed under this label.
        """
        try:
            return self._gcm.decrypt(data[:_NONCE], data[_NONCE:], label)
        except InvalidTag as error:
            raise BrokenSealError("parcel") from error


def wrap(key: bytes, secret: bytes) -> bytes:
    """A secret of 16, 24, 32 ... bytes, encrypted under a key of 32 (AES key wrap; longer by 8).

    Example:
        >>> unwrap(bytes(32), wrap(bytes(32), b"0123456789abcdef"))
        b'0123456789abcdef'
    """
    return aes_key_wrap(key, secret)


def unwrap(key: bytes, wrapped: bytes) -> bytes:
    """The secret that was wrapped.

    Raises:
        BrokenSealError: it was wrapped under another key, or was changed.
    """
    try:
        return aes_key_unwrap(key, wrapped)
    except (InvalidUnwrap, ValueError) as error:
        raise BrokenSealError("key") from error
