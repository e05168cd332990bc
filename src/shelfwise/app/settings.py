"""All settings of a shop: defaults, then ``shelfwise.toml``, then the environment, then flags.

``SHELFWISE__SECTION__KEY`` in the environment overrides ``[section] key`` in the file. Unknown keys are errors.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from shelfwise.app._parts import PARTS, given_parts
from shelfwise.domain import InvalidInput, Settings, exponent
from shelfwise.features import QualitySettings, SparkSettings
from shelfwise.training.settings import TrainingSettings

FILE_NAME = "shelfwise.toml"
ENV_PREFIX = "SHELFWISE__"


class ShopSection(Settings):
    """Who the shop is."""

    name: str = Field("My shop", min_length=1, max_length=100)
    """Shown on the pages."""

    currency: str = "EUR"
    """ISO 4217 code for items and events that name none."""

    country: str | None = Field(None, pattern="^[A-Z]{2}$")
    """ISO 3166-1 code assumed for shoppers whose country is unknown."""

    vector_size: int | None = Field(None, ge=1, le=4_096)
    """Numbers of an item's vector; others are refused. Empty: within a file or request all are as long as the first."""

    @field_validator("currency")
    @classmethod
    def _is_a_currency(cls, value: str) -> str:
        exponent(value)
        return value


class ClockSection(Settings):
    """The shop's time."""

    start: datetime | None = None
    """The shop's time when it was first opened; from then on its clock runs like any other. Empty: the real time.
    A demo on data of 2011 starts just after its last event, so that every window is full."""

    @field_validator("start")
    @classmethod
    def _is_aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("an instant with a time zone, such as 2011-12-09T13:00:00Z")
        return value


class ServeSection(Settings):
    """The HTTP server."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback needs at least one API key."""

    port: int = Field(8080, ge=0, le=65_535)
    """Port to listen on."""

    workers: int = Field(2, ge=1, le=256)
    """Processes that answer. One per core, less one for the keeper under heavy ingest."""

    deadline_ms: float = Field(150.0, gt=0, le=10_000)
    """A recommendation is answered inside this, with a marked fallback if need be."""

    queue_limit: int = Field(512, ge=1)
    """Requests that may wait in a worker; beyond it, 503 with Retry-After."""

    allowed_origins: tuple[str, ...] = ()
    """Web origins whose pages may send events with the browser key (CORS), e.g. ``https://shop.example``."""

    console: bool = True
    """Serve the demo shop and the pages for people under ``/``."""


class KeepSection(Settings):
    """How long things are kept."""

    log_days: int = Field(30, ge=8)
    """Days in the event log. The lake keeps the long history; duplicates are known for 7 days."""

    answer_days: int = Field(7, ge=1)
    """Days for which an answer can be explained."""


class PlacementSection(Settings):
    """What one place on the pages shows when the query does not say."""

    strategy: Literal[
        "auto", "collaborative", "similar", "session", "complements", "trending", "buy_again"
    ] = "auto"
    """Which sources answer."""

    seen: Literal["keep", "exclude"] = "keep"
    """Whether what the shopper has bought may be shown again."""


PLACEMENTS = {
    "home": PlacementSection(),
    "product": PlacementSection(strategy="similar"),
    "cart": PlacementSection(strategy="complements"),
    "trending": PlacementSection(strategy="trending"),
    "buy_again": PlacementSection(strategy="buy_again"),
    "discover": PlacementSection(seen="exclude"),
}


class FeaturesSection(Settings):
    """Batch features and the checks of their quality."""

    gate: bool = True
    """A failing critical check stops a training from publishing. False trains on anything."""

    text_encoder: Path | None = None
    """Folder of a static text model (model2vec, word vectors): what is written of items becomes a vector of each.
    Empty: texts are compared word by word."""

    quality: QualitySettings = QualitySettings()
    """What the checks look at, and when they fail."""

    spark: SparkSettings = SparkSettings()
    """Where Spark runs, for ``--engine spark``."""


class ComponentSections(Settings):
    """Settings of learned parts, by name; each part checks its own."""

    candidates: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """``[candidates.collaborative] factors = 64``: see each source's README."""

    rankers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """``[rankers.gradient_boosting] n_trees = 100``."""

    reranking: dict[str, Any] = Field(default_factory=dict)
    """Diversity and exploration."""


class ShopSettings(ComponentSections):
    """Everything that can be set."""

    shop: ShopSection = ShopSection()
    """Who the shop is."""

    clock: ClockSection = ClockSection()
    """The shop's time."""

    serve: ServeSection = ServeSection()
    """The HTTP server."""

    keep: KeepSection = KeepSection()
    """How long things are kept."""

    training: TrainingSettings = TrainingSettings()
    """How a release is made."""

    features: FeaturesSection = FeaturesSection()
    """Batch features and the checks of their quality."""

    placements: dict[str, PlacementSection] = Field(default_factory=lambda: dict(PLACEMENTS))
    """What each place on the pages shows when the query does not say."""

    @field_validator("placements")
    @classmethod
    def _keeps_the_known_places(cls, value: dict[str, PlacementSection]) -> dict[str, PlacementSection]:
        return {**PLACEMENTS, **value}


def load_settings(
    folder: Path, *, environment: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> ShopSettings:
    """The settings of the shop in ``folder``. Raises InvalidInput that names file or variable, key and rule."""
    layers = setting_layers(folder, environment=environment, overrides=overrides)
    merged: dict[str, Any] = {}
    for values in layers.values():
        merged = _merge(merged, values)
    try:
        settings = ShopSettings.model_validate(merged)
        told = list(_faults_of_parts(settings, layers))
    except ValidationError as trouble:
        told = [_sentence(error, (), layers, _known_keys) for error in trouble.errors()]
    if told:
        raise InvalidInput(f"settings of {folder}: {'; '.join(told)}")
    return settings


def setting_layers(
    folder: Path, *, environment: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """What each source sets, weakest first: the file, the environment, the flags."""
    return {
        FILE_NAME: _from_file(folder / FILE_NAME),
        "environment": _from_environment(os.environ if environment is None else environment),
        "flag": dict(overrides or {}),
    }


def origins(folder: Path, **more: Any) -> list[tuple[str, Any, str]]:
    """Every setting with its value in force and where it comes from: (key, value, origin)."""
    settings, layers = load_settings(folder, **more), setting_layers(folder, **more)
    rows = []
    for path, value in _leaves(settings.model_dump(mode="json")):
        given = [name for name, values in layers.items() if _has(values, path)]
        rows.append((".".join(path), value, given[-1] if given else "default"))
    return rows


def _from_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as trouble:
        raise InvalidInput(f"{path} is not valid TOML: {trouble}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Texts as TOML values where they are one (numbers, lists, true), else as they stand."""
    values: dict[str, Any] = {}
    for name in sorted(environment):
        if name.startswith(ENV_PREFIX):
            *sections, key = name.removeprefix(ENV_PREFIX).lower().split("__")
            place = values
            for section in sections:
                place = place.setdefault(section, {})
            place[key] = _value(environment[name])
    return values


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _has(values: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True


def _faults_of_parts(settings: ShopSettings, layers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for whatever a learned part would not take."""
    for path, model, values in given_parts(settings.candidates, settings.rankers, settings.reranking):
        if model is None:
            yield _unknown(path, layers, PARTS[path[0]])
            continue
        try:
            model.model_validate(values)
        except ValidationError as trouble:
            known = {path: tuple(model.model_fields)}.get
            yield from (_sentence(error, path, layers, known) for error in trouble.errors())


def _sentence(
    error: ErrorDetails,
    under: tuple[str, ...],
    layers: Mapping[str, Mapping[str, Any]],
    known: Callable[[tuple[str, ...]], Sequence[str] | None],
) -> str:
    path = (*under, *(str(part) for part in error["loc"]))
    if error["type"] == "extra_forbidden":
        return _unknown(path, layers, known(path[:-1]) or ())
    rule = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{_where(path, layers)}: {'.'.join(path)} is {error['input']!r}; expected {rule}"


def _unknown(path: tuple[str, ...], layers: Mapping[str, Mapping[str, Any]], known: Sequence[str]) -> str:
    near = get_close_matches(path[-1], known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{_where(path, layers)}: {'.'.join(path)} is not a setting{hint}"


def _where(path: tuple[str, ...], layers: Mapping[str, Mapping[str, Any]]) -> str:
    return next((name for name in reversed(list(layers)) if _has(layers[name], path)), "default")


def _known_keys(path: tuple[str, ...]) -> list[str]:
    model: Any = ShopSettings
    for key in path:
        fields = getattr(model, "model_fields", {})
        model = fields[key].annotation if key in fields else PlacementSection
    return list(getattr(model, "model_fields", {}))


TEMPLATE = """\
# Settings of this shop. Every key can also be set as SHELFWISE__SECTION__KEY in the environment.
# `shelfwise config show --origin` lists all settings, their values and where each comes from.

[shop]
name = "{name}"
currency = "{currency}"     # for items and events that name none

[clock]
{clock}

[serve]
# host = "127.0.0.1"        # anything but loopback needs an API key: shelfwise keys add
# port = 8080
# workers = 2
# deadline_ms = 150.0       # every recommendation is answered inside this
# allowed_origins = []      # web pages that may send events with the browser key

[training]
# window_days = 14          # days of outcomes held back for judging
# n_windows = 8             # past windows the ranker learns from

[features]
# gate = true               # failing critical data checks stop a release (shelfwise features check)

# [placements.home]         # what a place shows when the query does not say
# strategy = "auto"
# seen = "keep"
"""


def template(*, name: str, currency: str, clock_start: datetime | None) -> str:
    """A commented ``shelfwise.toml``."""
    clock = f"start = {clock_start.isoformat()}" if clock_start else "# start = 2011-12-09T13:00:00Z"
    return TEMPLATE.format(name=name.replace('"', "'"), currency=currency, clock=clock)
