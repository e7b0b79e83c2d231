"""A session of Spark: the one that is there (a notebook, spark-submit), or one of our own that is stopped afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flockwise.base.files import read_private
from flockwise.config import SparkSpec
from flockwise.engines.spark_java import java_home
from flockwise.errors import ConfigError, RuleError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["session"]

_HERE = "local[*,4]"  # this machine's cores; a task whose worker is lost is tried again, as on a cluster
_DEFAULTS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.driver.memory": "1g",
    "spark.driver.maxResultSize": "0",
    # The key to the store's files goes to the executors with the task. Nothing of it may be read on a disk, or on a wire where there is one.
    "spark.io.encryption.enabled": "true",
}
_DEFAULTS_THERE = {"spark.authenticate": "true", "spark.network.crypto.enabled": "true"}
_DEFAULTS_HERE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
    # Java's own choice marks objects beside the tasks, on cores that the Pythons need.
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
    "spark.buffer.size": str(1 << 20),
}
_DAEMON_HERE = {"spark.python.daemon.module": "flockwise.engines.spark_daemon"}
"""Where the workers' Python is this one. Another one may lack Flockwise: Spark's own daemon starts there, and its tasks say so (ENGINE_PYTHON)."""
_SECRET = "spark.authenticate.secret"  # noqa: S105 - the name of the setting


@contextmanager
def session(spec: SparkSpec) -> Iterator[SparkSession]:
    """The running session, or a new one that ends with the block.

    Raises:
        ConfigError: ENGINE_NO_SPARK, ENGINE_NO_JAVA, ENGINE_START, ENGINE_REMOTE, ENGINE_SECRET.
        RuleError: the cluster does not encrypt (ENGINE_OPEN_NETWORK); others can read the secret (ENGINE_SECRET_MODE).
    """
    try:
        from pyspark.sql import SparkSession
        from pyspark.sql.utils import is_remote
    except ImportError as error:
        raise ConfigError(
            "ENGINE_NO_SPARK",
            what="The study names Spark, which is not installed.",
            got=f"no module {error.name}",
            state="Nothing was read.",
            fix='Install it: pip install "flockwise[spark]". Or leave out [engine].',
        ) from error
    if is_remote():
        raise ConfigError(
            "ENGINE_REMOTE",
            what="This session talks to Spark from outside (Spark Connect).",
            expected="a session whose driver is this process",
            state="Nothing was read.",
            fix="Run on a cluster's own driver: spark-submit, or a notebook on a classic cluster.",
        )
    running = SparkSession.getActiveSession()
    if running is not None:
        _check_network(running, spec)
        yield running
        return
    spark = _start(spec)
    try:
        _check_network(spark, spec)
        yield spark
    finally:
        spark.stop()


def _start(spec: SparkSpec) -> SparkSession:
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    secret = {} if spec.secret_file is None else {_SECRET: _secret(spec.secret_file)}
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # spark-submit has started Java, with its own master and settings
    master = spec.master or (None if submitted else _HERE)
    here = master is not None and master.startswith("local")
    before = os.environ.get("PYSPARK_PYTHON")
    own = {**_DEFAULTS, **(_DEFAULTS_HERE if here else _DEFAULTS_THERE), **(_DAEMON_HERE if here and spec.python is None and before is None else {})}
    settings = {**({} if submitted else own), **spec.settings, "spark.app.name": spec.app_name}
    if master is not None:
        settings["spark.master"] = master
    try:
        if spec.python is not None or before is None:
            os.environ["PYSPARK_PYTHON"] = spec.python or sys.executable
        # Java is started without the secret: its arguments can be read by everybody on the machine.
        gateway = getattr(SparkContext, "_gateway", None)
        if gateway is None:
            with java_home() as variables, _environment(variables):
                gateway = launch_gateway(_conf(SparkConf(loadDefaults=False), settings))  # type: ignore[no-untyped-call]  # py4j has none
        SparkContext._ensure_initialized(gateway=gateway)
        return SparkSession(SparkContext(conf=_conf(SparkConf(), {**settings, **secret}), gateway=gateway))
    except (PySparkException, Py4JError, OSError, RuntimeError, ValueError) as error:
        raise ConfigError(
            "ENGINE_START",
            what="Spark does not start.",
            got=f"{master or 'spark-submit'}: {type(error).__name__}",
            state="Nothing was read.",
            fix="Look at what Java wrote to this terminal, and at [engine.spark] master and settings.",
        ) from None
    finally:
        if before is None:
            os.environ.pop("PYSPARK_PYTHON", None)


def _conf(conf: Any, settings: Mapping[str, str]) -> Any:
    for name, value in settings.items():
        conf.set(name, value)
    return conf


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _secret(path: Path) -> str:
    try:
        content, mode = read_private(path)
        text = content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "ENGINE_SECRET",
            what="The file with the cluster's secret can't be read.",
            got=f"{path}: {type(error).__name__}",
            state="Nothing was read.",
            fix="Correct [engine.spark] secret_file.",
        ) from error
    if mode & 0o077:
        raise RuleError(
            "ENGINE_SECRET_MODE",
            what="Others can read the cluster's secret.",
            got=f"{path}: mode {mode:04o}",
            expected="mode 0600",
            fix=f"Run: chmod 600 {path}",
        )
    return text


def _check_network(spark: SparkSession, spec: SparkSpec) -> None:
    conf = spark.sparkContext.getConf()

    def on(name: str) -> bool:
        return str(conf.get(name, "false")).lower() == "true"

    if spec.trusted_network:
        return
    # One machine has no network between its parts, and a disk like every other.
    here = str(spark.sparkContext.master).startswith("local")
    missing = [
        name
        for name, holds in (
            ("spark.authenticate", here or on("spark.authenticate")),
            ("spark.network.crypto.enabled", here or on("spark.network.crypto.enabled") or on("spark.ssl.enabled") or on("spark.ssl.rpc.enabled")),
            ("spark.io.encryption.enabled", on("spark.io.encryption.enabled")),
        )
        if not holds
    ]
    if missing:
        raise RuleError(
            "ENGINE_OPEN_NETWORK",
            what="Spark's machines talk to each other, or write to their disks, without encryption. The key to the store would be open to all of them.",
            got=f"not set: {', '.join(missing)}",
            state="Nothing was read.",
            fix="Set them to true before Spark starts (docs/how-to/run-on-spark.md), or set trusted_network = true where something else encrypts.",
        )
