"""[places] of study.toml: the list of sensitive places, and the gatherings."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PlacesSpec"]


class PlacesSpec(BaseModel):
    """Which places, and which gatherings at their times, no ping is stored from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path = Field(description="GeoParquet list of sensitive places, relative to the study file; `flockwise places build` writes it.")
    gatherings: Path | None = Field(None, description="CSV file of political and social gatherings: category, lat and lon or wkt, from, to, buffer.")
    gathering_margin_min: int = Field(120, ge=30, le=24 * 60, description="Minutes before and after a gathering that are cut with it.")
    tags: Path | None = Field(None, description="TOML file that adds categories and tags to the table of OpenStreetMap tags.")
