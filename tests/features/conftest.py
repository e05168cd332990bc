"""Spark, started once for all tests that ask for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from shelfwise.features import Spark, SparkSettings


@pytest.fixture(scope="session")
def spark() -> Iterator[Spark]:
    """The engine with little memory; skipped where it cannot start."""
    if find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: make spark")
    if shutil.which("java") is None:
        pytest.skip("there is no Java: apt-get install openjdk-17-jre-headless")
    # Small histories are mostly planning: the quick compiler alone halves their time.
    quick = {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    with Spark(SparkSettings(memory_mb=1_000, partitions=2, conf=quick)) as engine:
        yield engine
