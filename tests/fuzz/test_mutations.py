"""Sound files, changed at random: whatever comes in, a reader ends well or says what is wrong, in bounded time, and leaves nothing half done."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.fuzz.seeds import SEEDS, WORDS
from tests.fuzz.targets import TARGETS

# Examples of a short run; `make fuzz` runs for as long as it is told.
EXAMPLES = {"csv": 40, "csv_gz": 25, "csv_zst": 25, "parquet": 60, "certificate": 40, "places_gpkg": 60, "recipient": 60}
EXAMPLES |= dict.fromkeys(("deletions", "deletions_of_texts", "deletions_hashed", "deletions_parquet"), 60)


@st.composite
def changed(draw: Any, sound: bytes) -> bytes:
    content = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        many = draw(st.integers(0, 12))
        with_what = draw(st.one_of(st.sampled_from(WORDS), st.binary(max_size=8), st.just(bytes(content[at : at + many]) * 3), st.just(b"")))
        content[at : at + many] = with_what
    return bytes(content)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_changed_at_random(name: str) -> None:
    @seed(20261124)
    @settings(max_examples=EXAMPLES.get(name, 150), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(changed(SEEDS[name]))
    def run(content: bytes) -> None:
        TARGETS[name](content)

    run()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_sound_content_is_read_so_that_the_mutations_mean_something(name: str) -> None:
    # The record of a supplier is sound with questions open; a certificate alone is no folder.
    assert TARGETS[name](SEEDS[name]) == {"certificate": "ARTIFACT_FILES"}.get(name)


@pytest.mark.parametrize("word", range(len(WORDS)))
def test_every_word_in_every_place_of_a_study(word: int) -> None:
    lines = SEEDS["study"].decode().splitlines(keepends=True)
    for number, line in enumerate(lines):
        key, sign, _ = line.partition(" = ")
        if not sign:
            continue
        text = WORDS[word].decode("utf-8", "replace").replace("\\", "\\\\").replace('"', '\\"')
        for value in (f'"{text}"', text):
            TARGETS["study"]("".join([*lines[:number], f"{key} = {value}\n", *lines[number + 1 :]]).encode("utf-8", "replace"))
