"""[engine] of study.toml: who runs the work. It decides no figure, and no plan depends on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from flockwise.base import machine

__all__ = ["EngineSpec", "SparkSpec"]

_SECRETS = re.compile(r"secret|password|token|credential|access\.key|passphrase", re.IGNORECASE)


class SparkSpec(BaseModel):
    """How Spark is started or found. In a notebook or under spark-submit the session that is there is used, with its own settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    master: str | None = Field(None, description='Spark\'s master, such as "spark://host:7077". Left out: that of spark-submit, else this machine.')
    app_name: str = Field("flockwise", pattern=r"^[\x20-\x7e]{1,80}$", description="Name of the application in Spark's own pages.")
    python: str | None = Field(None, description="Python on the executors that has the same version of Flockwise. Left out: this one's path.")
    settings: dict[str, str] = Field({}, description='Settings passed to Spark as they are: "spark.executor.memory" = "4g". No secrets.')
    secret_file: Path | None = Field(
        None, description="File (mode 0600) with the secret that the cluster's machines share (spark.authenticate.secret), relative to the study file."
    )
    store_address: str | None = Field(
        None,
        description='Where the executors find the store\'s sealed files, if not under [store] path: a Hadoop address such as "s3a://bucket/study.store". '
        "Flockwise keeps a copy of them there; the manifest and the keys stay here.",
    )
    task_memory_mb: int = Field(256, ge=64, le=1 << 20, description="Megabytes that one task of an ingest may take for rows; its Python needs some 300 more.")
    trusted_network: bool = Field(
        False, description="Set it where something else than Spark encrypts what its machines say to each other; else a cluster without encryption is refused."
    )

    @field_validator("settings")
    @classmethod
    def _plain(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not re.fullmatch(r"spark\.[A-Za-z0-9_.-]+", name):
                raise ValueError('names of settings begin with "spark."')
            if _SECRETS.search(name):
                raise ValueError("a secret must not stand in a study file: give it in Spark's own configuration, or in secret_file")
            if name in ("spark.master", "spark.app.name", "spark.pyspark.python"):
                raise ValueError(f"write {name} as master, app_name or python")
        return value


class EngineSpec(BaseModel):
    """Who runs the work. Whatever is set here, the exact sums are the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["local", "spark"] = Field("local", description='"local": threads of this machine; "spark": tasks of Apache Spark.')
    threads: int | None = Field(None, ge=1, le=1024, description="Threads of this process. Left out: one for each core.")
    memory_mb: int | None = Field(None, ge=64, le=1 << 24, description="Megabytes that the work may take. Left out: a quarter of the machine's.")
    spark: SparkSpec = Field(SparkSpec(), description="See [engine.spark].")

    @property
    def workers(self) -> int:
        """Threads of this process."""
        return self.threads or machine.cpus()

    @property
    def megabytes(self) -> int:
        """What the work may take, in 2^20 bytes."""
        return self.memory_mb or machine.memory_mb()
