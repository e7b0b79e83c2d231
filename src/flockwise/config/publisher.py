"""[publisher] of study.toml: what only the publisher can say. It goes into the record of a release word for word, and decides no figure."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from flockwise.base.words import overclaims

__all__ = ["Publisher"]


def _line(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        raise ValueError("must not be empty: leave the key out instead")
    if re.search(r"[<>|`\x00-\x1f\x7f]", text):
        raise ValueError("must not contain < > | ` or control characters: it is printed in Markdown")
    return text


def _statement(text: str) -> str:
    if found := overclaims(text):
        raise ValueError(f'promises more than was proved: "{found[0]}". Say it in other words')
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
Statement = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_line), AfterValidator(_statement)]


class Publisher(BaseModel):
    """Who publishes, why and for whom. Optional; printed in the record of a release as stated here. What is left out is printed as not stated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    organization: Name = Field(description="Who publishes the release and answers for the pings (in the GDPR: the controller).")
    organization_kind: Literal["Government", "Industry", "Nonprofit"] | None = Field(None, description="What kind of organization, in the registry's words.")
    contact: Name = Field(description="Where questions, objections and requests for deletion go.")
    purpose: Statement | None = Field(None, description="What the pings are processed for.")
    intended_use: Statement | None = Field(None, description="What the published figures are meant to be used for.")
    recipients: Statement | None = Field(None, description="Who gets the published figures.")
    legal_basis: Statement | None = Field(None, description="The law that allows the processing, such as an article of the GDPR, and why it applies.")
    region: Name | None = Field(None, description="Name of the region that the figures describe, and whose law applies.")
    sector: Literal["Technology", "Healthcare", "Education", "Government", "Energy", "Finance"] | None = Field(
        None, description="The field that the figures describe, in the registry's words."
    )
    security: Statement | None = Field(None, description="Who may reach the pings and the keys, and how they are guarded.")
    rationale: Statement | None = Field(
        None, description="Why this epsilon, region, window and these tables, and whether anything was tried on the pings before they were chosen."
    )
    publication_date: date | None = Field(None, description="Day of publication. Never taken from a clock: the same release has the same bytes on any day.")
    url: str | None = Field(None, pattern=r"^https?://[^\s<>|`]+$", max_length=500, description="Where the release can be found.")

    @property
    def names(self) -> tuple[str, ...]:
        """What is a name and claims nothing, whatever words are in it."""
        return tuple(text for text in (self.organization, self.contact, self.region, self.url) if text is not None)
