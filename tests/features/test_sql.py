"""The text keeps to the part of SQL that was seen to mean the same on every engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from shelfwise.features import FEATURES, VIEWS, Feature, View, features_for, features_view, feed_views, gaps

GOLDEN = Path(__file__).parents[1] / "golden" / "features"
KEPT = (*VIEWS[:-1], features_view(FEATURES))
ALL = (*KEPT, *feed_views(0, 10**15))

# The rules are written down in docs/reference/portable-sql.md.
# Functions that the manuals of DuckDB and Spark give the same name, arguments and meaning for the arguments used here.
KNOWN = set(
    "CAST CASE SUM MIN MAX COUNT COALESCE NULLIF ROW_NUMBER RANK LAG FLOOR LN POWER LEAST CONCAT MAX_BY ARG_MAX AVG "
    "IF MOD".split()
)


def in_both_dialects(view: View) -> list[exp.Expression]:
    trees = [sqlglot.parse_one(view.query, read=dialect) for dialect in ("duckdb", "spark")]
    for tree in trees:  # known differences in reading that the rules make harmless
        for node in list(tree.walk()):
            if isinstance(node, exp.Div):
                node.set("typed", False)
                node.set("safe", False)
            if isinstance(node, exp.Ordered):
                node.set("nulls_first", False)
            if isinstance(node, exp.Concat):
                node.set("safe", False)
                node.set("coalesce", False)
            if isinstance(node, exp.TryCast):
                node.replace(exp.Cast(this=node.this, to=node.args["to"]))
    return trees


@pytest.mark.parametrize("view", ALL, ids=lambda view: view.name)
def test_duckdb_and_spark_read_the_same_text_alike(view: View) -> None:
    one, two = (tree.sql(dialect="duckdb") for tree in in_both_dialects(view))
    assert one == two


@pytest.mark.parametrize("view", ALL, ids=lambda view: view.name)
def test_only_functions_known_to_agree_are_used(view: View) -> None:
    used = set()
    for node in in_both_dialects(view)[0].walk():
        if isinstance(node, exp.Func) and not isinstance(node, exp.And | exp.Or):
            used.add((node.name if isinstance(node, exp.Anonymous) else node.sql_name()).upper())
    assert used - KNOWN == set()


@pytest.mark.parametrize("view", ALL, ids=lambda view: view.name)
def test_nothing_divides_by_what_may_be_zero_and_every_ranking_has_an_order(view: View) -> None:
    for node in in_both_dialects(view)[0].walk():
        assert not isinstance(node, exp.IgnoreNulls)
        if isinstance(node, exp.Join):
            assert (node.args.get("method") or "").upper() != "ASOF"
        if isinstance(node, exp.Div):
            divisor = node.expression
            while isinstance(divisor, exp.Paren | exp.Cast):
                divisor = divisor.this
            assert isinstance(divisor, exp.Nullif) or float(divisor.this) != 0
        if isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber | exp.Rank | exp.Lag):
            assert node.args.get("order")


@pytest.mark.parametrize("view", ALL, ids=lambda view: view.name)
def test_no_word_is_used_that_only_one_engine_knows(view: View) -> None:
    foreign = (
        exp.Array,
        exp.Struct,
        exp.Lambda,
        exp.Qualify,
        exp.Pivot,
        exp.Interval,
        exp.Lateral,
        exp.Unnest,
    )
    kinds = {"BIGINT", "DOUBLE", "INT"}
    for node in in_both_dialects(view)[0].walk():
        assert not isinstance(node, foreign), node.sql()
        if isinstance(node, exp.Cast):
            assert node.to.sql() in kinds, node.sql()
        if isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber):
            last = node.args["order"].expressions[-1].this.name
            assert last in ("line", "event_hash", "person"), f"{view.name} ends its order in {last}"


@pytest.mark.parametrize("feature", [one for one in FEATURES if one.sql], ids=lambda one: one.name)
def test_each_feature_is_in_the_subset(feature: Feature) -> None:
    view = View(feature.name, (), f"SELECT {feature.sql} AS {feature.name} FROM wide")
    one, two = (tree.sql(dialect="duckdb") for tree in in_both_dialects(view))
    assert one == two
    test_only_functions_known_to_agree_are_used(view)
    test_nothing_divides_by_what_may_be_zero_and_every_ranking_has_an_order(view)
    test_no_word_is_used_that_only_one_engine_knows(view)


def test_what_no_engine_computes_is_marked_with_the_reason() -> None:
    features = features_for(("session__score",))
    found = gaps(features)
    assert {one.feature for one in found} == {one.name for one in features if not one.sql}
    assert {one.state for one in found} <= {"never", "not_yet", "todo"}
    assert all(one.reason for one in found)


@pytest.mark.parametrize("view", KEPT, ids=lambda view: view.name)
def test_the_text_is_the_golden_one(view: View) -> None:
    path = GOLDEN / f"{view.name}.sql"
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(view.query + "\n")
    assert path.read_text() == view.query + "\n", "run with REWRITE_GOLDEN=1 and read the difference"


def test_views_read_only_what_was_made_before_them() -> None:
    made = {"event_lines", "asked", "items", "fitted", "calendar"}
    for view in VIEWS:
        assert set(view.needs) <= made, view.name
        tables = {table.name for table in sqlglot.parse_one(view.query, read="duckdb").find_all(exp.Table)}
        own = {cte.alias for cte in sqlglot.parse_one(view.query, read="duckdb").find_all(exp.CTE)}
        assert tables - own == set(view.needs), view.name
        made.add(view.name)
