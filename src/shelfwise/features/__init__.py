"""Features: declared once, read by the batch engine, the stream and the request; the three agree to the digit."""

from shelfwise.features._assemble import Assembler
from shelfwise.features._bases import FITTED as FITTED_COLUMNS
from shelfwise.features._bases import LIKENESS as LIKENESS_COLUMNS
from shelfwise.features._bases import placement_code, referrer_code
from shelfwise.features._batch import ASKED, items_as_of, live_as_of, live_of, read_events, training_features
from shelfwise.features._buckets import Fading, Rolling
from shelfwise.features._catalogue import catalogue_rows, feature_document, render_catalogue
from shelfwise.features._catalogue_page import render_catalogue_page
from shelfwise.features._check import Checked, check, check_columns, compute
from shelfwise.features._counters import PREFIX as COUNTERS_PREFIX
from shelfwise.features._counters import ItemCounters
from shelfwise.features._declare import Feature
from shelfwise.features._drift import Drift, ks, psi
from shelfwise.features._effects import EFFECT, line_effects
from shelfwise.features._encoded import ORIGINS, EventColumns, columns_of, read_columns
from shelfwise.features._encoder import TextEncoder, unit
from shelfwise.features._engine import DuckDB, DuckDBSettings, Engine
from shelfwise.features._features import (
    FAMILIES,
    FEATURES,
    ITEM_ROLLING,
    base_columns,
    feature_names,
    features_for,
)
from shelfwise.features._feed import FeedSettings, feed_views
from shelfwise.features._finding import FINDINGS, Finding
from shelfwise.features._fitted import FeatureFit, fit_features, fit_release
from shelfwise.features._fold import fold_people
from shelfwise.features._gaps import Gap, gaps
from shelfwise.features._history import (
    DEVICE_CODES,
    device_code,
    event_hash,
    history_lines,
    item_rows,
    join_states,
    lines_of,
    merge_state,
    pack_state,
    unpack_state,
)
from shelfwise.features._joined import Facts, Fits
from shelfwise.features._lake import EVENT_LINES, event_lines
from shelfwise.features._likeness import Relations
from shelfwise.features._quality import Quality, QualitySettings, check_quality, draw_pairs
from shelfwise.features._quality_page import render_quality
from shelfwise.features._skew import Skew, check_skews, skews
from shelfwise.features._spark import Spark, SparkSettings
from shelfwise.features._spread import Spread, spread
from shelfwise.features._sql import View
from shelfwise.features._sql_people import VIEWS, features_view

__all__ = [
    "ASKED",
    "COUNTERS_PREFIX",
    "DEVICE_CODES",
    "EFFECT",
    "EVENT_LINES",
    "FAMILIES",
    "FEATURES",
    "FINDINGS",
    "FITTED_COLUMNS",
    "ITEM_ROLLING",
    "LIKENESS_COLUMNS",
    "ORIGINS",
    "VIEWS",
    "Assembler",
    "Checked",
    "Drift",
    "DuckDB",
    "DuckDBSettings",
    "Engine",
    "EventColumns",
    "Fading",
    "Feature",
    "Facts",
    "FeatureFit",
    "FeedSettings",
    "Finding",
    "Fits",
    "Gap",
    "ItemCounters",
    "Quality",
    "QualitySettings",
    "Relations",
    "Rolling",
    "Skew",
    "Spark",
    "SparkSettings",
    "Spread",
    "TextEncoder",
    "View",
    "base_columns",
    "catalogue_rows",
    "check",
    "check_columns",
    "check_quality",
    "check_skews",
    "columns_of",
    "compute",
    "device_code",
    "draw_pairs",
    "event_hash",
    "event_lines",
    "feature_document",
    "feature_names",
    "features_for",
    "features_view",
    "feed_views",
    "fit_features",
    "fit_release",
    "fold_people",
    "gaps",
    "history_lines",
    "item_rows",
    "items_as_of",
    "join_states",
    "ks",
    "line_effects",
    "lines_of",
    "live_as_of",
    "live_of",
    "merge_state",
    "pack_state",
    "placement_code",
    "psi",
    "read_columns",
    "read_events",
    "referrer_code",
    "render_catalogue",
    "render_catalogue_page",
    "render_quality",
    "skews",
    "spread",
    "training_features",
    "unit",
    "unpack_state",
]
