"""From the event log to everything that is read: states, live items, counters, the lake. One keeper writes it all."""

from shelfwise.streaming._answers import ANSWERS, answer_rows, find_answer
from shelfwise.streaming._direct import DirectInbox
from shelfwise.streaming._erase import is_own_report
from shelfwise.streaming._keeper import Keeper
from shelfwise.streaming._kernels import load_kernels
from shelfwise.streaming._lake import LakeSink
from shelfwise.streaming._people import LINKS, PeopleFold, linked, links_key
from shelfwise.streaming._seen import SeenIds
from shelfwise.streaming._settings import KeeperSettings, KeeperStores

__all__ = [
    "ANSWERS",
    "LINKS",
    "DirectInbox",
    "Keeper",
    "KeeperSettings",
    "KeeperStores",
    "LakeSink",
    "PeopleFold",
    "SeenIds",
    "answer_rows",
    "find_answer",
    "is_own_report",
    "linked",
    "links_key",
    "load_kernels",
]
