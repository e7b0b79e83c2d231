"""Spark for tests: rows as a source that executors can open, and a real cluster of one master and two workers on this machine."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.conformance.worlds import Row, table

from flockwise.config import SparkSpec
from flockwise.engines.spark_java import java_home
from flockwise.errors import StoreError
from flockwise.store import Runner, Work

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "spark.executorEnv.PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
    "spark.sql.shuffle.partitions": "3",
    "spark.task.maxFailures": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
HERE = SparkSpec(master="local[2,2]", settings=SETTINGS)


@dataclass(frozen=True)
class Dealt:
    """Rows dealt to buckets by pseudonym, in the order given."""

    rows: tuple[Row, ...]
    count: int

    def buckets(self) -> list[int]:
        return list(range(self.count))

    def read(self, bucket: int) -> Any:
        return table([row for row in self.rows if (row[0] ^ row[1]) % self.count == bucket])


@dataclass(frozen=True)
class Faulty(Dealt):
    """The same, but something happens when the third bucket is read: once, or each time."""

    how: str
    mark: Path

    def read(self, bucket: int) -> Any:
        if bucket == 3:
            if self.how == "refused":
                raise StoreError("STORE_DAMAGED", what="The store is damaged.", got="a file", fix="Bring it back from a backup.")
            if self.how == "crash":
                raise ValueError(f"device {self.rows[0][0]} at 40.7128")
            if not self.mark.exists():
                self.mark.write_text("done")
                os.kill(os.getpid() if self.how == "worker" else _executor(), signal.SIGKILL)
                time.sleep(60)
        return super().read(bucket)


def _executor() -> int:
    """The Java above this Python."""
    pid = os.getpid()
    while "java" not in Path(f"/proc/{pid}/comm").read_text():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


@contextmanager
def cluster(folder: Path) -> Iterator[SparkSpec]:
    """A standalone cluster that authenticates and encrypts; its processes end with the block."""
    import pyspark

    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_hex(16))
    conf = folder / "cluster.conf"
    conf.touch(mode=0o600)
    lines = {
        "spark.authenticate": "true",
        "spark.authenticate.secret": secret.read_text(),
        "spark.network.crypto.enabled": "true",
        "spark.master.rest.enabled": "false",
        "spark.ui.enabled": "false",
        "spark.worker.cleanup.enabled": "false",
    }
    conf.write_text("\n".join(f"{k} {v}" for k, v in lines.items()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = Path(pyspark.__file__).parent
    master = f"spark://127.0.0.1:{port}"
    started: list[subprocess.Popen[bytes]] = []
    with java_home() as variables:
        env = {**os.environ, **variables, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(home), "SPARK_DAEMON_MEMORY": "256m"}

        def start(name: str, *command: str) -> Path:
            log = folder / f"{name}.log"
            with log.open("wb") as out:
                started.append(
                    subprocess.Popen([str(home / "bin" / "spark-class"), *command], env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
                )
            return log

        try:
            deploy, common = "org.apache.spark.deploy", ("--host", "127.0.0.1", "--webui-port", "0", "--properties-file", str(conf))
            log = start("master", f"{deploy}.master.Master", "--port", str(port), *common)
            _wait(log, "New state: ALIVE")
            for i in range(2):
                start(f"worker-{i}", f"{deploy}.worker.Worker", "--cores", "1", "--memory", "600m", "--work-dir", str(folder / f"work-{i}"), *common, master)
            for i in range(2):
                _wait(folder / f"worker-{i}.log", "Successfully registered")
            yield SparkSpec(master=master, secret_file=secret, settings={**SETTINGS, "spark.executor.memory": "512m", "spark.executor.cores": "1"})
        finally:
            for process in started:
                os.killpg(process.pid, signal.SIGTERM)
            for process in started:
                process.wait(30)


def _wait(log: Path, line: str) -> None:
    end = time.monotonic() + 60
    while line not in log.read_text(errors="replace"):
        assert time.monotonic() < end, log.read_text(errors="replace")[-2000:]
        time.sleep(0.1)


@dataclass(frozen=True)
class Dying:
    """A function in whose first call, wherever that is, the process or the executor above it is killed."""

    real: Any
    how: str
    mark: Path

    def __call__(self, *given: Any) -> Any:
        if not self.mark.exists():
            self.mark.write_text("done")
            os.kill(os.getpid() if self.how == "worker" else _executor(), signal.SIGKILL)
            time.sleep(60)
        return self.real(*given)


def nowhere(lat_e6: Any, lon_e6: Any, t_us: Any) -> Any:
    """Says that no point is sensitive."""
    return np.zeros(len(lat_e6), np.uint8)


@dataclass(frozen=True)
class DyingAtTheDoor:
    """A runner whose work kills, once, what reads the delivery."""

    real: Runner
    how: str
    mark: Path

    def run(self, work: Work, files: Any, staging: Path, progress: Any) -> Any:
        intake = replace(work.intake, suppress=Dying(nowhere, self.how, self.mark))
        return self.real.run(replace(work, intake=intake), files, staging, progress)
