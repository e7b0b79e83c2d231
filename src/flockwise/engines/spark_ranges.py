"""Parts of files, read by Spark's tasks with Hadoop's connectors and handed to their Python piece by piece."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flockwise.store.handed import Range

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["handed_out"]

CHUNK = 4 << 20
"""Bytes in one row, at most."""
_CLASS, _JAR, _FUNCTION = "flockwise.Ranges", "flockwise-ranges.jar", "flockwise_range"
_COLUMNS = "at long, unit int, address string, ranges array<struct<step: int, begin: long, length: long>>"


def handed_out(spark: SparkSession, parts: Sequence[tuple[int, str, Sequence[Range]]]) -> DataFrame:
    """Rows of (unit, step, begin, content), those of a part in one task and in order. A content that can't be read is null.

    A task holds a few rows at a time: Spark reads on when its Python asks for more.

    Args:
        spark: the session.
        parts: number, address and ranges of each.
    """
    from pyspark.sql import functions as f

    _ready(spark)
    rows = [(at, unit, address, [tuple(r) for r in ranges]) for at, (unit, address, ranges) in enumerate(parts)]
    # Joined to numbers that are dealt one to a task: Spark's ways of cutting a list of rows would put several parts into one task and none into another.
    told = spark.range(0, len(rows), 1, len(rows)).join(f.broadcast(spark.createDataFrame(rows, _COLUMNS)), f.col("id") == f.col("at"))
    ranges = told.select("unit", "address", f.explode("ranges").alias("r"))
    steps = f.explode(f.expr(f"sequence(r.begin, r.begin + r.length - 1, bigint({CHUNK}))"))
    chunks = ranges.select("unit", "address", "r.step", (f.col("r.begin") + f.col("r.length")).alias("end"), steps.alias("begin"))
    content = f.expr(f"{_FUNCTION}(address, begin, cast(least({CHUNK}, end - begin) as int))")
    return chunks.select("unit", "step", "begin", content.alias("content"))


def _ready(spark: SparkSession) -> None:
    """Compiles the reader, gives its class to the executors, and names it in the session."""
    context: Any = spark.sparkContext
    jvm, java = context._jvm, context._jsc.sc()
    compiler = jvm.org.codehaus.janino.SimpleCompiler()
    compiler.cook(files("flockwise.engines").joinpath("Ranges.java").read_text(encoding="utf-8"))
    jars = java.listJars()
    if not any(str(jars.apply(i)).endswith(f"/{_JAR}") for i in range(jars.size())):
        jar = Path(jvm.org.apache.spark.util.Utils.createTempDir().getPath()) / _JAR  # Java removes it when it ends
        with zipfile.ZipFile(jar, "w") as file:
            file.writestr(f"{_CLASS.replace('.', '/')}.class", bytes(compiler.getBytecodes()[_CLASS]))
        context._jsc.addJar(str(jar))
    arguments = context._gateway.new_array(jvm.java.lang.Object, 1)
    arguments[0] = jvm.org.apache.spark.util.SerializableConfiguration(spark._jsparkSession.sessionState().newHadoopConf())
    reader = compiler.getClassLoader().loadClass(_CLASS).getConstructors()[0].newInstance(arguments)
    made = jvm.org.apache.spark.sql.functions.udf(reader, jvm.org.apache.spark.sql.types.DataTypes.BinaryType).asNondeterministic()
    spark._jsparkSession.udf().register(_FUNCTION, made)
