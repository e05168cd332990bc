"""Spark as a batch engine: the text that DuckDB reads, on this machine or on a cluster. Needs the extra ``spark``."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import pyarrow as pa
from pydantic import Field

from shelfwise.domain import InvalidInput, Settings, StoreUnavailable


class SparkSettings(Settings):
    """Where Spark runs, and its bounds."""

    master: str = Field("local[2]", min_length=1)
    """``local[N]`` runs N threads in a JVM beside this process; ``spark://host:7077``, ``yarn`` or ``k8s://...`` a
    cluster. A session that this process already has is used as it is."""

    memory_mb: int = Field(1_500, ge=600)
    """Heap of the driver, which on this machine also does the work. Beyond it Spark spills to disk; below some
    600 MB it cannot start. The process takes about 300 MB more."""

    partitions: int = Field(8, ge=1, le=10_000)
    """Parts that joins and sums are cut into. More need less memory each, and cost time where data is small."""

    staging: str | None = None
    """Folder for the tables made on the way, as a path or URI that driver and workers both reach (``s3a://...``). One
    of its own under the system's temporary folder if not given: good for a local master alone."""

    spill: Path | None = None
    """Folder to spill to, of a local master; one of its own under the system's temporary folder if not given."""

    conf: dict[str, str] = Field(default_factory=dict)
    """Anything else that Spark is told when it starts, e.g. ``{"spark.jars": "..."}``."""


class Spark:
    """Spark behind the ``Engine`` protocol. What is written is kept as Parquet in ``staging`` until ``close``.

    UTC, ANSI mode (an overflow or a wrong cast is an error, never a NULL) and nothing translated.

    Raises:
        InvalidInput: ``pyspark`` is not installed, or a cluster is given no staging folder.
        StoreUnavailable: Java does not start, or the cluster does not answer.
    """

    def __init__(self, settings: SparkSettings | None = None) -> None:
        settings = settings or SparkSettings()
        is_local = settings.master.startswith("local")
        if not is_local and settings.staging is None:
            raise InvalidInput(
                f"staging is None with master {settings.master!r}; expected a folder that its workers reach"
            )
        builder = _builder()
        self._own = tempfile.TemporaryDirectory(prefix="shelfwise-spark-", dir=settings.spill)
        self._staging = f"{(settings.staging or self._own.name).rstrip('/')}/{uuid4().hex}"
        self._made: list[str] = []
        self._is_ours = _running() is None
        for key, value in _at_start(settings, self._own.name, is_local=is_local).items():
            builder = builder.config(key, value)
        with _told():
            self._session = builder.getOrCreate().newSession()
        for key, value in _of_session(settings).items():
            self._session.conf.set(key, value)
        logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)  # what fails is raised

    def read(self, name: str, source: Sequence[str] | pa.Table) -> None:
        """See ``Engine``."""
        with _told():
            if isinstance(source, pa.Table):
                frame = self._session.createDataFrame(source)
            else:
                frame = self._session.read.option("mergeSchema", "true").parquet(*map(_literal, source))
            frame.createOrReplaceTempView(name)

    def write(self, name: str, query: str) -> None:
        """See ``Engine``."""
        folder = f"{self._staging}/{len(self._made)}-{name}"
        with _told():
            self._session.sql(query).write.parquet(folder)
            self._made.append(folder)
            self._session.read.parquet(folder).createOrReplaceTempView(name)

    def run(self, query: str) -> pa.Table:
        """See ``Engine``."""
        with _told():
            return self._session.sql(query).toArrow()

    def close(self) -> None:
        """Remove what was staged; stop Spark if it was started here."""
        _remove(self._session, self._staging)
        if self._is_ours:
            self._session.stop()
        shutil.rmtree(self._own.name, ignore_errors=True)
        self._own.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def _builder() -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError as trouble:
        raise InvalidInput(
            "engine 'spark' needs pyspark, which is not installed; expected pip install 'shelfwise[spark]', and Java 17"
        ) from trouble
    return SparkSession.builder


def _running() -> Any:
    from pyspark import SparkContext

    return SparkContext._active_spark_context


def _at_start(settings: SparkSettings, folder: str, *, is_local: bool) -> Mapping[str, str]:
    """What a JVM is told once."""
    options = settings.conf.get("spark.driver.extraJavaOptions", "")
    local = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": f"{folder}/spill",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file://{_silence(folder)} {options}",
    }
    return {
        "spark.app.name": "shelfwise",
        "spark.master": settings.master,
        "spark.driver.memory": f"{settings.memory_mb}m",
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **settings.conf,
        **(local if is_local else {}),
    }


def _silence(folder: str) -> Path:
    """Settings of Java's log: nothing, for what fails is raised."""
    file = Path(folder) / "log4j2.properties"
    file.write_text(_NO_LOG)
    return file


# Without an appender Spark takes it for no settings at all, and brings its own; without a level of its own the gateway
# counts as a shell, which sets the root's to "warn".
_NO_LOG = """
rootLogger.level = off
logger.shell.name = org.apache.spark.api.python.PythonGatewayServer
logger.shell.level = off
rootLogger.appenderRef.none.ref = none
appender.none.type = Console
appender.none.name = none
"""


def _of_session(settings: SparkSettings) -> Mapping[str, str]:
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.shuffle.partitions": str(settings.partitions),
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }


@contextmanager
def _told() -> Iterator[None]:
    """What Spark cannot read or finish, as StoreUnavailable; a text that is wrong stays loud."""
    from py4j.protocol import Py4JError
    from pyspark import errors

    ours = (
        errors.AnalysisException,
        errors.ParseException,
        errors.ArithmeticException,
        errors.NumberFormatException,
    )
    try:
        yield
    except (errors.PySparkException, Py4JError, OSError) as trouble:
        if isinstance(trouble, ours) and "PATH_NOT_FOUND" not in str(trouble):
            raise
        first = str(trouble).strip().partition("\n")[0]
        raise StoreUnavailable(f"batch engine: {first}") from trouble


def _literal(file: str) -> str:
    """A path as a URI, in which no letter is taken for a pattern."""
    return _PATTERN.sub(r"\\\g<0>", file if "://" in file else f"file://{Path(file).absolute()}")


_PATTERN = re.compile(r"[{}\[\]*?\\]")


def _remove(session: Any, folder: str) -> None:
    """Delete a folder wherever it lies."""
    path = session._jvm.org.apache.hadoop.fs.Path(folder)
    path.getFileSystem(session._jsparkSession.sessionState().newHadoopConf()).delete(path, True)
