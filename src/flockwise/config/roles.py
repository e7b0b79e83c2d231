"""[roles] of study.toml: who may decide and who may ask, by public key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Roles"]

PublicKey = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Roles(BaseModel):
    """Optional: the officer's caps hold for every release, and named analysts may ask for one. Without it one account does everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    officer: PublicKey = Field(description="The officer's public key (Ed25519, hexadecimal), as flockwise caps key printed it.")
    caps: Path = Field(description="The officer's caps, relative to the study file; their signature lies beside them, with .sig added to the name.")
    analysts: tuple[PublicKey, ...] = Field((), description="Public keys of those who may ask for a release of this study (flockwise request).")
