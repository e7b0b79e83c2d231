"""The form of an entry of the OpenDP deployments registry: its fields, kinds and tiers.

Source:
    opendp/deployments-registry-data, schemas/deployments-schema.yaml at commit 057e5d81cf60150dd3307e0cf4504b957802fb3b, after Ghazi, Nanayakkara and
    Vadhan (arXiv:2509.13509). Names, kinds and tiers are the registry's; descriptions are ours. Where the publisher states nothing, the text
    "not stated by the publisher" stands also in the place of a date or of a choice, which the registry itself would refuse.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

__all__ = [
    "SOURCE",
    "Administrative",
    "Basic",
    "Curator",
    "DeploymentModel",
    "Entry",
    "Evidence",
    "EvidenceFields",
    "Implementation",
    "Parameters",
    "PrivacyLoss",
    "Variant",
    "WholeEntry",
]

SOURCE = "opendp/deployments-registry-data, schemas/deployments-schema.yaml, commit 057e5d81cf60150dd3307e0cf4504b957802fb3b"

NotStated = Literal["not stated by the publisher"]
Words = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _tier(tier: int, description: str) -> Any:
    return Field(description=description, json_schema_extra={"tier": tier})


class Curator(_Part):
    """Who publishes."""

    data_curator_name: Words = _tier(1, "Name of the publisher.")
    data_curator_type: Literal["Government", "Industry", "Nonprofit"] | NotStated = _tier(1, "Kind of publisher.")


class Basic(_Part):
    """Tier 1: what is published, by whom and for what."""

    name: Words = _tier(1, "Name of the release.")
    data_curators: tuple[Curator, ...] = Field(min_length=1, description="Who publishes.", json_schema_extra={"tier": 1})
    description: Words = _tier(1, "What is published.")
    intended_use: Words = _tier(1, "What it is meant for.")
    data_product_type: Literal["Summary statistics"] = _tier(1, "Kind of release.")
    data_product_region: Words = _tier(1, "Region described, and whose law applies.")
    data_product_sector: Literal["Technology", "Healthcare", "Education", "Government", "Energy", "Finance"] | NotStated = _tier(1, "Field described.")
    publication_date: date | NotStated = _tier(1, "Day of publication.")


class Variant(_Part):
    """Which definition of differential privacy."""

    variant_name: Literal["Zero-concentrated DP", "Custom"] = _tier(2, "Definition; Custom stands for Gaussian DP, which the registry does not list.")
    data_domain: Words = _tier(3, "Which data sets the promise is about.")
    unprotected_quantities: Words = _tier(3, "What is published without protection.")


class Parameters(_Part):
    """Figures of the promise as JSON numbers, never below the exact ones."""

    epsilon: FiniteFloat = _tier(2, "At delta.")
    delta: FiniteFloat = _tier(2, "Of epsilon.")
    rho: FiniteFloat = _tier(2, "What was charged.")


class PrivacyLoss(_Part):
    """Who is protected, and how strongly."""

    privacy_unit: Words = _tier(2, "Who is protected.")
    privacy_unit_details: Words = _tier(3, "Which data sets are neighbours.")
    number_of_privacy_units: int = Field(ge=1, description="A public upper bound: the true number is not published.", json_schema_extra={"tier": 3})
    privacy_parameters: Parameters = Field(description="The figures.", json_schema_extra={"tier": 2})
    privacy_parameters_details: Words = _tier(3, "The figures, exact, and what they mean in this window, over a year and for several devices.")


class DeploymentModel(_Part):
    """Who has to be trusted, and how often something is published."""

    model_name: Literal["Central"] = _tier(2, "One keeper holds the pings.")
    model_name_details: Words = _tier(3, "What the keeper does.")
    trust_assumptions: Words = _tier(3, "Who is trusted with what.")
    actors: Words = _tier(3, "Who takes part.")
    release_type: Literal["One release"] = _tier(2, "An entry is about one release.")
    release_type_details: Words = _tier(3, "What happens to further releases from the same data.")
    data_source_type: Literal["Static"] = _tier(2, "The window is closed.")
    data_source_type_details: Words = _tier(2, "What happens when data come late.")
    access_type: Literal["Non-interactive"] = _tier(2, "Nobody can query the pings.")
    access_type_details: Words = _tier(3, "What can be had instead.")


class Implementation(_Part):
    """How it was done."""

    preprocessing_and_hyperparameter_tuning: Words = _tier(3, "What is done before noise is added, and how settings were chosen.")
    mechanisms: Words = _tier(3, "Mechanism, library, floating point, platform, security of the pings, versions.")
    composition: Words = _tier(3, "How charges add up.")
    post_processing: Words = _tier(3, "What is computed from noisy values.")
    justification: Words = _tier(3, "Why it was done so.")
    utility: Words = _tier(3, "How exact the figures are.")
    additional_information: Words = _tier(1, "Where more is to be found, and what is not promised.")


class EvidenceFields(_Part):
    """A source, in BibTeX's words."""

    title: Words
    publisher: Words
    url: Words


class Evidence(_Part):
    """A source about the release."""

    evidence_source_type: Literal["Formal publication by the deploying organization"]
    misc: EvidenceFields


class Administrative(_Part):
    """State of the entry."""

    evidence_sources: dict[str, Evidence] = _tier(1, "Where the release can be found; empty if the publisher does not state it.")
    status: Literal["Draft"] = Field("Draft", description="The registry's board decides on more.")
    registry_authors: tuple[Words, ...] = Field(min_length=1, description="Who answers for the entry.")
    tier: Literal[0, 1, 2, 3] = Field(description="The tier that the entry reaches; 0 below the first.")


class Entry(_Part):
    """All sections of an entry."""

    basic: Basic
    dp_variant: Variant
    privacy_loss: PrivacyLoss
    deployment_model: DeploymentModel
    implementation: Implementation
    administrative: Administrative


class WholeEntry(_Part):
    """What is handed in to the registry."""

    url_slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="Makes a stable address.")
    deployment: Entry
