"""One planted shop and its six fitted sources for the whole room: fitting is the slow part."""

from __future__ import annotations

import numpy as np
import pytest
from tests.world import NOW_US, Shop, shop

from shelfwise.candidates import FittedSource, fit_source
from shelfwise.domain import SOURCES


@pytest.fixture(scope="session")
def planted() -> Shop:
    return shop()


@pytest.fixture(scope="session")
def fitted(planted: Shop) -> dict[str, FittedSource]:
    return fit_all(planted)


def fit_all(of: Shop) -> dict[str, FittedSource]:
    small = {"collaborative": {"short": {"factors": 8}, "long": {"factors": 8}}}
    return {
        name: fit_source(name, of.interactions, of.shelf, as_of_us=NOW_US, settings=small.get(name))
        for name in SOURCES
    }


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
