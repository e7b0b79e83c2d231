from __future__ import annotations

import h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flockwise.base.h3bits import from_hex, parent, resolution_of, to_hex

places = st.tuples(st.floats(-90, 90), st.floats(-180, 180), st.integers(0, 15), st.integers(0, 15))


@given(st.lists(places, min_size=1, max_size=20))
def test_parents_are_those_of_the_h3_library(items: list[tuple[float, float, int, int]]) -> None:
    for lat, lon, fine, other in items:
        coarse = min(fine, other)
        text = h3.latlng_to_cell(lat, lon, fine)
        cell = from_hex([text])
        assert to_hex(parent(cell, coarse)) == [h3.cell_to_parent(text, coarse)]
        assert resolution_of(cell).tolist() == [fine]


def test_pentagons_and_their_children_have_the_right_parents() -> None:
    for text in h3.get_pentagons(3):
        for child in h3.cell_to_children(text, 5):
            assert to_hex(parent(from_hex([child]), 3)) == [text]


def test_a_finer_ancestor_is_refused() -> None:
    with pytest.raises(ValueError, match="coarser than resolution 9"):
        parent(from_hex([h3.latlng_to_cell(40.0, -74.0, 7)]), 9)


def test_no_cell_has_its_top_bit_set() -> None:
    cells = from_hex(h3.get_res0_cells())
    assert cells.dtype == np.int64
    assert (cells > 0).all()
