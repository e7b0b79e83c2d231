from __future__ import annotations

from fractions import Fraction

import pytest
from pydantic import ValidationError
from tests.unit.record._made import RHO, facts, other

from flockwise import record


def changed(**parts: object) -> record.Facts:
    return record.Facts.model_validate({**{k: getattr(facts(), k) for k in record.Facts.model_fields}, **parts})


def test_facts_survive_their_json() -> None:
    for made in (facts(), other()):
        assert record.Facts.model_validate_json(made.model_dump_json()) == made


def test_parts_of_the_charge_have_to_add_up() -> None:
    groups = facts().groups
    with pytest.raises(ValidationError, match="add up to rho"):
        changed(groups=groups[:1])
    with pytest.raises(ValidationError, match="add up to rho"):
        changed(groups=(*groups, groups[1].model_copy(update={"rho": Fraction(1, 10**18)})))


@pytest.mark.parametrize("devices", [1, 2, 3])
def test_exposures_have_to_follow_from_rho(devices: int) -> None:
    # k devices cost k^2 rho: one that says k rho is refused.
    wrong = tuple(e.model_copy(update={"rho": e.rho - RHO / 10**9}) if (e.devices, e.windows) == (devices, 52) else e for e in facts().exposures)
    with pytest.raises(ValidationError, match="follow from rho"):
        changed(exposures=wrong)


def test_the_first_exposure_is_the_promise() -> None:
    first, *rest = facts().exposures
    with pytest.raises(ValidationError, match="do not fit together"):
        changed(exposures=(first.model_copy(update={"epsilon": Fraction(1, 2)}), *rest))
    with pytest.raises(ValidationError, match="follow from rho"):
        changed(exposures=tuple(reversed(facts().exposures)))
