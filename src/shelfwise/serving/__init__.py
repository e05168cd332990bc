"""The request path: retrieve, permit, assemble, score, arrange, record; and above it the HTTP door."""

from shelfwise.serving._people import person_keys, read_person
from shelfwise.serving._pipeline import Outcome, Pipeline
from shelfwise.serving._reasons import reasons
from shelfwise.serving._record import answer_of, new_id, source_names
from shelfwise.serving._release import Release

__all__ = [
    "Outcome",
    "Pipeline",
    "Release",
    "answer_of",
    "new_id",
    "person_keys",
    "read_person",
    "reasons",
    "source_names",
]
