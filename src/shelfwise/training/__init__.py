"""Training: history as it was known at the time, fit, judge on held-back time, publish what passes the gate.

Settings are light and loaded at once: every process reads them. What trains is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from shelfwise.training.settings import PartSettings, TrainingSettings

if TYPE_CHECKING:
    from shelfwise.training._gate import Verdict, decide
    from shelfwise.training._jobs import Job, run_jobs
    from shelfwise.training._judge import Exam, K, Mark, baselines, judge, set_exam, user_share
    from shelfwise.training._rows import Pools, Server, draw_pools, query_at
    from shelfwise.training._snapshot import Snapshot, take_snapshot
    from shelfwise.training._train import JOBS, Report, served_lists, train
    from shelfwise.training._workshop import OpenServer, Workshop, parts_named

__all__ = [
    "JOBS",
    "K",
    "Exam",
    "Job",
    "Mark",
    "OpenServer",
    "PartSettings",
    "Pools",
    "Report",
    "Server",
    "Snapshot",
    "TrainingSettings",
    "Verdict",
    "Workshop",
    "baselines",
    "decide",
    "draw_pools",
    "judge",
    "parts_named",
    "query_at",
    "run_jobs",
    "served_lists",
    "set_exam",
    "take_snapshot",
    "train",
    "user_share",
]

_LAZY = {
    "_gate": ("Verdict", "decide"),
    "_jobs": ("Job", "run_jobs"),
    "_judge": ("Exam", "K", "Mark", "baselines", "judge", "set_exam", "user_share"),
    "_rows": ("Pools", "Server", "draw_pools", "query_at"),
    "_snapshot": ("Snapshot", "take_snapshot"),
    "_train": ("JOBS", "Report", "served_lists", "train"),
    "_workshop": ("OpenServer", "Workshop", "parts_named"),
}
_MODULE_OF = {name: module for module, names in _LAZY.items() for name in names}


def __getattr__(name: str) -> object:
    """What trains, when it is first asked for."""
    if name in _MODULE_OF:
        return getattr(import_module(f"shelfwise.training.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
