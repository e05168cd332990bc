"""Training: history as it was known at the time, fit, judge on held-back time, publish what passes the gate."""

from shelfwise.training._gate import Verdict, decide
from shelfwise.training._jobs import Job, run_jobs
from shelfwise.training._judge import Exam, K, Mark, baselines, judge, set_exam, user_share
from shelfwise.training._rows import Pools, Server, draw_pools, query_at
from shelfwise.training._snapshot import Snapshot, take_snapshot
from shelfwise.training._train import JOBS, OpenServer, Report, Workshop, parts_named, served_lists, train
from shelfwise.training.settings import PartSettings, TrainingSettings

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
