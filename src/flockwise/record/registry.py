"""registry.json: an entry for the OpenDP deployments registry, the tier that it reaches, what is missing, and the facts that it was made of."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from flockwise.record import _answers as answers
from flockwise.record import entry as shape
from flockwise.record._text import NOT_STATED
from flockwise.record.facts import Facts

__all__ = ["FORMAT", "Missing", "Record", "record", "record_schema", "slug"]

FORMAT = "flockwise-record/1"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Missing(_Part):
    """A fact that the publisher has not stated."""

    key: str = Field(description="Key of [publisher] in the study file.")
    field: str = Field(description="Field of the entry that needs it.")
    tier: Literal[1, 2, 3] = Field(description="Tier of that field: without it the entry stays below.")


class Record(_Part):
    """The record of a release."""

    format: Literal["flockwise-record/1"] = Field("flockwise-record/1", description="Format of this file.")
    form: str = Field(shape.SOURCE, description="Where the form of the entry comes from.")
    tier: Literal[0, 1, 2, 3] = Field(description="The tier that the entry reaches; 0 below the first.")
    missing: tuple[Missing, ...] = Field(description="What keeps it from the third tier.")
    entry: shape.WholeEntry = Field(description="What can be handed in to the registry.")
    facts: Facts = Field(description="What every text of the record is made of, exact.")

    def to_json(self) -> str:
        """The record as published: indented, fields in a fixed order, one line feed at the end."""
        return self.model_dump_json(indent=2) + "\n"


class _Need(NamedTuple):
    key: str
    field: str
    tier: Literal[1, 2, 3]


_NEEDS = (
    _Need("organization", "basic.data_curators", 1),
    _Need("organization_kind", "basic.data_curators", 1),
    _Need("intended_use", "basic.intended_use", 1),
    _Need("region", "basic.data_product_region", 1),
    _Need("sector", "basic.data_product_sector", 1),
    _Need("publication_date", "basic.publication_date", 1),
    _Need("contact", "implementation.additional_information", 1),
    _Need("url", "administrative.evidence_sources", 1),
    _Need("recipients", "deployment_model.actors", 3),
    _Need("security", "implementation.mechanisms", 3),
    _Need("rationale", "implementation.justification", 3),
)


def record_schema() -> dict[str, Any]:
    """The JSON Schema of registry.json."""
    return Record.model_json_schema(mode="serialization")


def record(facts: Facts) -> Record:
    """The record of a release.

    Args:
        facts: public facts of the release.

    Privacy:
        A function of public facts and released summaries.
    """
    missing = tuple(Missing(**n._asdict()) for n in _NEEDS if facts.publisher is None or getattr(facts.publisher, n.key) is None)
    # A tier needs every field of the tiers below it too.
    tier: Any = min((m.tier for m in missing), default=4) - 1
    return Record(tier=tier, missing=missing, entry=shape.WholeEntry(url_slug=slug(facts), deployment=_entry(facts, tier)), facts=facts)


def _entry(facts: Facts, tier: Any) -> shape.Entry:
    publisher, charge = facts.publisher, facts.charge
    return shape.Entry(
        basic=shape.Basic(
            name=facts.study,
            data_curators=(shape.Curator(data_curator_name=_choice(facts, "organization"), data_curator_type=_choice(facts, "organization_kind")),),
            description=answers.description(facts),
            intended_use=_choice(facts, "intended_use"),
            data_product_type="Summary statistics",
            data_product_region=answers.region(facts),
            data_product_sector=_choice(facts, "sector"),
            publication_date=_choice(facts, "publication_date"),
        ),
        dp_variant=shape.Variant(
            variant_name="Zero-concentrated DP" if charge.accounting == "zCDP" else "Custom",
            data_domain=answers.data_domain(facts),
            unprotected_quantities=answers.unprotected(facts),
        ),
        privacy_loss=shape.PrivacyLoss(
            privacy_unit=answers.unit(facts),
            privacy_unit_details=answers.unit_details(facts),
            number_of_privacy_units=facts.panel_bound,
            privacy_parameters=shape.Parameters(epsilon=_number(charge.epsilon), delta=_number(charge.delta), rho=_number(charge.rho)),
            privacy_parameters_details=answers.parameters(facts),
        ),
        deployment_model=shape.DeploymentModel(
            model_name="Central",
            model_name_details=answers.CENTRAL,
            trust_assumptions=answers.TRUST,
            actors=answers.actors(facts),
            release_type="One release",
            release_type_details=answers.releases(facts),
            data_source_type="Static",
            data_source_type_details=answers.LATE_DATA,
            access_type="Non-interactive",
            access_type_details=answers.ACCESS,
        ),
        implementation=shape.Implementation(
            preprocessing_and_hyperparameter_tuning=answers.preprocessing(facts),
            mechanisms=answers.mechanisms(facts),
            composition=answers.composition(facts),
            post_processing=facts.statements.estimates,
            justification=answers.justification(facts),
            utility=answers.utility(facts),
            additional_information=answers.more(facts),
        ),
        administrative=shape.Administrative(
            evidence_sources={}
            if publisher is None or publisher.url is None
            else {
                "release": shape.Evidence(
                    evidence_source_type="Formal publication by the deploying organization",
                    misc=shape.EvidenceFields(title=facts.study, publisher=publisher.organization, url=publisher.url),
                )
            },
            registry_authors=(_choice(facts, "organization"),),
            tier=tier,
        ),
    )


def _choice(facts: Facts, key: str) -> Any:
    value = None if facts.publisher is None else getattr(facts.publisher, key)
    return NOT_STATED if value is None else value


def slug(facts: Facts) -> str:
    """The entry's name in an address: letters, digits and hyphens."""
    words = re.findall("[a-z0-9]+", f"{facts.study} {facts.window.first_day}".lower())
    return "-".join(words)


def _number(value: Fraction) -> float:
    """The least JSON number, as printed, that is not below the value: the registry's figures never promise more than the exact ones."""
    near = float(value)
    while Fraction(repr(near)) < value:
        near = math.nextafter(near, math.inf)
    return near
