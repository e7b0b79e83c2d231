"""What is sealed is unreadable, can't be changed, and can't stand in for another file."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.store._made import SIMULATED, order, pings, store, write

from flockwise.store.keyring import Keyring
from flockwise.store.sealing import BrokenSealError, ParcelSeal, Sealer, SpillSeal

TABLE = pa.table({"a": list(range(1000)), "b": [7_316_192_837] * 1000})
NAME = "000001/0000.parquet"


def test_a_sealed_table_comes_back() -> None:
    sealer = Sealer(bytes(32))
    assert sealer.unseal(sealer.seal(TABLE, NAME, ["b"]), NAME).equals(TABLE)
    assert sealer.unseal(sealer.seal(TABLE.slice(0, 0), NAME), NAME).num_rows == 0


def test_a_sealed_table_is_encrypted_parquet_and_never_twice_the_same() -> None:
    sealer = Sealer(bytes(32))
    one, two = bytes(sealer.seal(TABLE, NAME)), bytes(sealer.seal(TABLE, NAME))
    assert one[:4] == one[-4:] == b"PARE"
    assert one != two
    assert (7_316_192_837).to_bytes(8, "little") not in one


@pytest.mark.parametrize(("key", "name"), [(bytes([1]) * 32, NAME), (bytes(32), "000001/0001.parquet"), (bytes(32), "000002/0000.parquet")])
def test_another_key_or_name_opens_nothing(key: bytes, name: str) -> None:
    sealed = Sealer(bytes(32)).seal(TABLE, NAME)
    with pytest.raises(BrokenSealError):
        Sealer(key).unseal(sealed, name)


def test_a_plain_file_is_refused() -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE, sink)
    with pytest.raises(BrokenSealError):
        Sealer(bytes(32)).unseal(sink.getvalue().to_pybytes(), NAME)


SEALED = bytes(Sealer(bytes(32)).seal(TABLE, NAME))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_changed_byte_is_seen(at: int, change: int) -> None:
    changed = bytearray(SEALED)
    changed[at] ^= change
    try:
        found = Sealer(bytes(32)).unseal(bytes(changed), NAME)
    except BrokenSealError:
        return
    assert found.equals(TABLE)  # the magic at the start is read by nobody


@settings(max_examples=50, deadline=None)
@given(st.integers(0, len(SEALED) - 1))
def test_a_cut_file_is_seen(length: int) -> None:
    with pytest.raises(BrokenSealError):
        Sealer(bytes(32)).unseal(SEALED[:length], NAME)


def test_a_spill_opens_at_its_place_and_in_its_process_alone() -> None:
    seal, other = SpillSeal(), SpillSeal()
    plain = memoryview(b"a" * 4000)
    sealed = seal.seal(plain, 5)
    assert len(sealed) == 4000 + SpillSeal.OVERHEAD
    assert b"aaaa" not in sealed
    assert seal.unseal(sealed, 5) == plain
    for wrong in (lambda: seal.unseal(sealed, 6), lambda: other.unseal(sealed, 5), lambda: seal.unseal(sealed[:-1], 5)):
        with pytest.raises(BrokenSealError):
            wrong()


def test_a_keyring_opens_under_its_master_alone() -> None:
    ring = Keyring.new()
    assert Keyring.unwrapped(bytes(32), ring.wrapped(bytes(32))) == ring
    assert ring.with_new_window().marks == ring.marks
    for master, text in ((bytes([1]) * 32, ring.wrapped(bytes(32))), (bytes(32), "00" * 72), (bytes(32), "zz")):
        with pytest.raises(BrokenSealError):
            Keyring.unwrapped(master, text)


def test_a_manifest_that_was_edited_is_refused(tmp_path) -> None:
    made = store(tmp_path)
    made.ingest([write(pings(50), tmp_path / "a.parquet")], order, SIMULATED)
    path = tmp_path / "store" / "manifest.json"
    text = path.read_text()
    assert '"0000.parquet",' in text
    path.write_text(text.replace('"0000.parquet",', ""))
    with pytest.raises(Exception, match="damaged"):
        type(made).open(made._study)


@given(st.binary(max_size=200), st.binary(min_size=16, max_size=16), st.integers(0, 10**6))
def test_a_parcel_comes_back_under_its_label_and_keys_alone(content: bytes, label: bytes, at: int) -> None:
    seal = ParcelSeal()
    sealed = seal.seal(content, label)
    same: ParcelSeal = pickle.loads(pickle.dumps(seal))
    assert same.unseal(sealed, label) == content
    assert same.seal(content, label) == sealed  # who sends it again sends the same bytes
    assert len(sealed) == len(content) + ParcelSeal.OVERHEAD
    other = bytes([label[0] ^ 1]) + label[1:]
    changed = bytearray(sealed)
    changed[at % len(sealed)] ^= 1 + at % 255
    for wrong in ((seal, bytes(changed), label), (seal, sealed, other), (ParcelSeal(), sealed, label)):
        with pytest.raises(BrokenSealError):
            wrong[0].unseal(*wrong[1:])


def test_no_two_contents_of_parcels_share_a_nonce() -> None:
    seal = ParcelSeal()
    sealed = [seal.seal(bytes([i, j]), bytes([k]) * 16) for i in range(16) for j in range(16) for k in range(3)]
    assert len({s[:12] for s in sealed}) == len(sealed)
