from __future__ import annotations

import uuid

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.store import keys
from flockwise.store.pseudonym import Pseudonyms, cmac_fixed, cmac_texts

RFC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
RFC_TEXT = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
SECRET = bytes(range(32))


def oracle(key: bytes, message: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


def packed(messages: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    return np.frombuffer(b"".join(messages), np.uint8), np.concatenate([[0], np.cumsum([len(m) for m in messages])]).astype(np.int64)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_the_vectors_of_rfc_4493(length: int, expected: str) -> None:
    assert cmac_texts(RFC_KEY, *packed([RFC_TEXT[:length]])).tobytes().hex() == expected


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.binary(max_size=70), max_size=30))
def test_texts_of_mixed_lengths_equal_the_oracle(messages: list[bytes]) -> None:
    found = cmac_texts(RFC_KEY, *packed(messages))
    assert [row.tobytes() for row in found] == [oracle(RFC_KEY, m) for m in messages]


@pytest.mark.parametrize("width", [1, 8, 15, 16])
def test_fixed_widths_equal_the_oracle(width: int) -> None:
    values = np.random.default_rng(width).integers(0, 256, (50, width)).astype(np.uint8)
    assert [row.tobytes() for row in cmac_fixed(RFC_KEY, values)] == [oracle(RFC_KEY, v.tobytes()) for v in values]


def halves(macs: list[bytes]) -> tuple[list[int], list[int]]:
    return [int.from_bytes(m[:8], "big", signed=True) for m in macs], [int.from_bytes(m[8:], "big", signed=True) for m in macs]


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_are_eight_bytes_big_endian(ids: list[int]) -> None:
    key = keys.derive(SECRET, "pseudonym", "integer", "d")[:16]
    high, low = Pseudonyms(SECRET, "integer", "d").of_integers(np.array(ids, np.int64))
    assert (high.tolist(), low.tolist()) == halves([oracle(key, i.to_bytes(8, "big", signed=True)) for i in ids])


def test_uuids_are_sixteen_bytes() -> None:
    ids = [uuid.UUID(int=i**7) for i in range(1, 20)]
    key = keys.derive(SECRET, "pseudonym", "uuid", "d")[:16]
    high, low = Pseudonyms(SECRET, "uuid", "d").of_uuids(np.frombuffer(b"".join(i.bytes for i in ids), np.uint8).reshape(-1, 16))
    assert (high.tolist(), low.tolist()) == halves([oracle(key, i.bytes) for i in ids])


def test_kinds_data_sets_and_keys_are_unrelated() -> None:
    one = np.array([7], np.int64)
    found = {Pseudonyms(k, t, d).of_integers(one)[0][0] for k in (SECRET, bytes(32)) for t in ("integer", "text") for d in ("a", "b")}
    assert len(found) == 8


def test_parts_of_a_derived_key_can_not_be_shifted() -> None:
    assert keys.derive(SECRET, "p", "ab", "c") != keys.derive(SECRET, "p", "a", "bc")
