from __future__ import annotations

import hashlib
import uuid

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.store import keys
from flockwise.store.pseudonym import Pseudonyms, cmac_fixed

RFC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
RFC_TEXT = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
SECRET = bytes(range(32))


def oracle(key: bytes, message: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


def test_the_vector_of_rfc_4493() -> None:
    block = np.frombuffer(RFC_TEXT, np.uint8).reshape(1, 16)
    assert cmac_fixed(RFC_KEY, block).tobytes().hex() == "070a16b46b4d4144f79bdd9dd04a287c"


@pytest.mark.parametrize("width", [1, 8, 15, 16])
def test_fixed_widths_equal_the_oracle(width: int) -> None:
    values = np.random.default_rng(width).integers(0, 256, (50, width)).astype(np.uint8)
    assert [row.tobytes() for row in cmac_fixed(RFC_KEY, values)] == [oracle(RFC_KEY, v.tobytes()) for v in values]


def halves(macs: list[bytes]) -> tuple[list[int], list[int]]:
    return [int.from_bytes(m[:8], "big", signed=True) for m in macs], [int.from_bytes(m[8:], "big", signed=True) for m in macs]


def names(kind: str, **secrets: bytes) -> Pseudonyms:
    return Pseudonyms(kind, **({"window": SECRET, "marks": SECRET, "dataset": SECRET} | secrets))


def base(kind: str, text: bytes, dataset: bytes = SECRET) -> bytes:
    """A base as its definition says: CMAC of the first 16 bytes of SHA-256 of the normalised identifier."""
    return oracle(keys.derive(dataset, "base", kind)[:16], hashlib.sha256(text).digest()[:16])


def pseudonym(of: bytes, window: bytes = SECRET) -> bytes:
    return Cipher(AES(keys.derive(window, "pseudonym")[:16]), ECB()).encryptor().update(of)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_in_decimal_digits(ids: list[int]) -> None:
    made = names("integer")
    high, low = made.of_integers(np.array(ids, np.int64))
    tag = keys.derive(SECRET, "tag", "integer")[:16]
    assert (high.tolist(), low.tolist()) == halves([oracle(tag, i.to_bytes(8, "big", signed=True)) for i in ids])
    bases = made.bases(high, low)
    assert (bases[0].tolist(), bases[1].tolist()) == halves([base("integer", str(i).encode()) for i in ids])


@settings(deadline=None)
@given(st.lists(st.uuids(), max_size=20))
def test_uuids_in_lower_case_with_hyphens(ids: list[uuid.UUID]) -> None:
    made = names("uuid")
    raw = np.frombuffer(b"".join(i.bytes for i in ids), np.uint8).reshape(-1, 16)
    bases = made.bases(*made.of_uuids(raw))
    assert (bases[0].tolist(), bases[1].tolist()) == halves([base("uuid", str(i).encode()) for i in ids])
    hashes = np.frombuffer(b"".join(hashlib.sha256(str(i).encode()).digest()[:16] for i in ids), np.uint8).reshape(-1, 16)
    assert [h.tolist() for h in made.bases_of_hashes(hashes)] == [b.tolist() for b in bases]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=70), max_size=30))
def test_texts_as_they_are(texts: list[bytes]) -> None:
    made = names("text")
    data, offsets = np.frombuffer(b"".join(texts), np.uint8), np.concatenate([[0], np.cumsum([len(t) for t in texts])]).astype(np.int64)
    bases = made.bases(*made.of_texts(data, offsets))
    assert (bases[0].tolist(), bases[1].tolist()) == halves([base("text", t) for t in texts])


def test_a_pseudonym_is_one_block_of_aes_and_goes_back_with_its_key() -> None:
    made = names("integer")
    bases = made.bases(*made.of_integers(np.arange(50)))
    found = made.of_bases(*bases)
    assert (found[0].tolist(), found[1].tolist()) == halves([pseudonym(base("integer", str(i).encode())) for i in range(50)])
    assert [h.tolist() for h in made.to_bases(*found)] == [b.tolist() for b in bases]
    other = names("integer", window=bytes(32)).of_bases(*bases)
    assert not set(found[0].tolist()) & set(other[0].tolist())


def test_kinds_data_sets_windows_and_tags_are_unrelated() -> None:
    one = np.array([7], np.int64)
    made = [names(k, **{s: bytes(32)}) for k in ("integer", "text") for s in ("window", "marks", "dataset")]
    assert len({m.of_integers(one)[0][0] for m in made}) == 4
    assert len({m.bases_of_hashes(np.zeros((1, 16), np.uint8))[0][0] for m in made}) == 4
    assert len({m.of_bases(one, one)[0][0] for m in made}) == 2


def test_parts_of_a_derived_key_can_not_be_shifted() -> None:
    assert keys.derive(SECRET, "p", "ab", "c") != keys.derive(SECRET, "p", "a", "bc")
