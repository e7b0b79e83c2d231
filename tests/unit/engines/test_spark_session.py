"""What Spark is started with, without starting it: Java, secrets, encryption between machines. tests/conformance/test_engines.py starts it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flockwise.config import SparkSpec
from flockwise.engines import spark_java, spark_session
from flockwise.errors import ConfigError, RuleError


class Context:
    def __init__(self, master: str, settings: dict[str, str]) -> None:
        self.master, self.settings = master, settings
        self.sparkContext = self

    def getConf(self) -> Any:  # noqa: N802 - Spark's name
        return self.settings


ENCRYPTED = {"spark.authenticate": "true", "spark.network.crypto.enabled": "true", "spark.io.encryption.enabled": "true"}


@pytest.mark.parametrize("missing", [*ENCRYPTED, None])
def test_a_cluster_without_encryption_is_refused(missing: str | None) -> None:
    context: Any = Context("spark://host:7077", {k: v for k, v in ENCRYPTED.items() if k != missing})
    if missing is None:
        spark_session._check_network(context, SparkSpec())
        return
    with pytest.raises(RuleError) as refused:
        spark_session._check_network(context, SparkSpec())
    assert refused.value.code == "ENGINE_OPEN_NETWORK"
    assert missing in refused.value.got
    spark_session._check_network(context, SparkSpec(trusted_network=True))


def test_one_machine_needs_no_encryption_of_its_network_but_of_its_disk() -> None:
    here: Any = Context("local[2]", {"spark.io.encryption.enabled": "true"})
    spark_session._check_network(here, SparkSpec())
    # A notebook's own session: a task that is large enough would be written to Spark's folder as it is, with the key to the store's files in it.
    open_disk: Any = Context("local[2]", {})
    with pytest.raises(RuleError) as refused:
        spark_session._check_network(open_disk, SparkSpec())
    assert refused.value.got == "not set: spark.io.encryption.enabled"
    spark_session._check_network(open_disk, SparkSpec(trusted_network=True))


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("0123456789abcdef\n")
    path.chmod(0o640)
    with pytest.raises(RuleError) as refused:
        spark_session._secret(path)
    assert refused.value.code == "ENGINE_SECRET_MODE"
    path.chmod(0o600)
    assert spark_session._secret(path) == "0123456789abcdef"
    with pytest.raises(ConfigError) as missing:
        spark_session._secret(tmp_path / "none")
    assert missing.value.code == "ENGINE_SECRET"


@pytest.mark.parametrize(
    "name", ["spark.authenticate.secret", "spark.hadoop.fs.s3a.secret.key", "spark.hadoop.fs.s3a.access.key", "spark.ssl.keyPassword", "spark.master", "hive.x"]
)
def test_settings_hold_no_secret_and_nothing_that_has_its_own_place(name: str) -> None:
    with pytest.raises(ValidationError):
        SparkSpec(settings={name: "x"})


def test_the_java_of_the_package_starts_with_sparks_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its runtime lacks a module that Spark's launcher always names; the private `java` leaves that one argument out, and nothing else."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with spark_java.java_home() as variables:
        home = Path(variables["JAVA_HOME"])
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        run = [str(home / "bin" / "java"), "--add-modules=jdk.incubator.vector", "-Da b=c d", "-XshowSettings:properties", "-version"]
        done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "a b = c d" in done.stderr
    assert not home.exists()


def test_a_java_that_fits_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fake(name: str, text: str) -> str:
        path = tmp_path / name / "bin" / "java"
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return str(tmp_path / name)

    whole = fake("whole", "echo java.base@21.0.1; echo jdk.incubator.vector@21.0.1")
    for name, text in (("old", "echo java.base@11.0.1; echo jdk.incubator.vector@11.0.1"), ("part", "echo java.base@21.0.1"), ("none", "exit 1")):
        assert not spark_java._fits(f"{fake(name, text)}/bin/java")
    monkeypatch.setenv("JAVA_HOME", whole)
    with spark_java.java_home() as variables:
        assert variables == {}
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    monkeypatch.setattr(spark_java, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as refused, spark_java.java_home():
        pass
    assert refused.value.code == "ENGINE_NO_JAVA"


def test_the_environment_is_put_back() -> None:
    before = dict(os.environ)
    with spark_session._environment({"JAVA_HOME": "/nowhere", "FLOCKWISE_X": "1"}):
        assert os.environ["JAVA_HOME"] == "/nowhere"
    assert dict(os.environ) == before
