"""The request path: retrieve, permit, assemble, score, arrange, record; and above it the HTTP door."""

from shelfwise.serving._ask import Outcome
from shelfwise.serving._people import person_keys, read_person
from shelfwise.serving._pipeline import LEVELS, Pipeline, best_sellers
from shelfwise.serving._reasons import reasons
from shelfwise.serving._record import Recorder, answer_of, new_id, source_names
from shelfwise.serving._release import NO_RELEASE, Release

__all__ = [
    "LEVELS",
    "NO_RELEASE",
    "Outcome",
    "Pipeline",
    "Recorder",
    "Release",
    "answer_of",
    "best_sellers",
    "new_id",
    "person_keys",
    "read_person",
    "reasons",
    "source_names",
]
