"""Eligibility, merchandising rules, diversity, exploration with propensities: from judged candidates to a slate."""

from shelfwise.reranking._book import Permission, RuleBook
from shelfwise.reranking._preview import Preview, preview
from shelfwise.reranking._protocol import Arranger, Eligibility
from shelfwise.reranking._rules import KINDS, Rule, check_rule, parse_rule, rule_document
from shelfwise.reranking._settings import ArrangeSettings, ExplorationSettings
from shelfwise.reranking._similarity import ItemLikeness, Similarity
from shelfwise.reranking.filters import FIELDS, Filter, FilterError, compile_filter

__all__ = [
    "ArrangeSettings",
    "Arranger",
    "Eligibility",
    "ExplorationSettings",
    "FIELDS",
    "Filter",
    "FilterError",
    "ItemLikeness",
    "KINDS",
    "Permission",
    "Preview",
    "Rule",
    "RuleBook",
    "Similarity",
    "check_rule",
    "compile_filter",
    "parse_rule",
    "preview",
    "rule_document",
]
