"""The filter and rule language: a small closed grammar over item and context fields, compiled to column masks."""

from shelfwise.reranking.filters._fields import FIELDS, Field
from shelfwise.reranking.filters._filter import Filter, compile_filter, item_ids_named
from shelfwise.reranking.filters._lexer import MAX_LENGTH, FilterError
from shelfwise.reranking.filters._masks import Scene

__all__ = [
    "FIELDS",
    "Field",
    "Filter",
    "FilterError",
    "MAX_LENGTH",
    "Scene",
    "compile_filter",
    "item_ids_named",
]
