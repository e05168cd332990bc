"""From a question to a slate: query, candidates, slate, the answer that is logged, the deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain._errors import InvalidInput
from shelfwise.domain._events import Context

STRATEGIES = ("auto", "collaborative", "similar", "session", "complements", "trending", "buy_again")
SOURCES = STRATEGIES[1:]  # bit order of ``proposed`` everywhere
MAX_SIZE = 100  # slate positions in one answer

Seen = Literal["keep", "exclude"]
NO_ROWS = np.empty(0, np.int32)


class Query(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One ask for recommendations: who, where, when, in what context. Items are rows, not ids."""

    size: int  # slate positions wanted, 1..MAX_SIZE
    asked_us: int  # the shop's clock
    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    placement: str = "home"
    strategy: str = "auto"
    seeds: NDArray[np.int32] = msgspec.field(
        default_factory=NO_ROWS.copy
    )  # what they look at, or hold in the cart
    exclude: NDArray[np.int32] = msgspec.field(default_factory=NO_ROWS.copy)
    seen: Seen = "keep"
    filter: str | None = None  # text in the filter language
    context: Context = Context()
    explain: bool = False


class Candidates(msgspec.Struct, frozen=True, eq=False):  # arrays have no single truth value
    """Items proposed for one query, as parallel columns.

    Row *i* of each column speaks of the same item; an item that several sources propose stands in one row
    and keeps what each of them thought of it.
    """

    item: NDArray[np.int32]  # (C,) item row
    proposed: NDArray[np.uint16]  # (C,) bit s is set if SOURCES[s] proposed it
    signal: NDArray[np.float32]  # (C, G) what each source says of it, columns ``signal_names``; NaN: silent
    score: NDArray[np.float32]  # (C,) higher is better; NaN until a ranker has judged

    def __post_init__(self) -> None:
        if not len(self.item) == len(self.proposed) == len(self.signal) == len(self.score):
            lengths = {len(self.item), len(self.proposed), len(self.signal), len(self.score)}
            raise InvalidInput(f"candidate columns have lengths {sorted(lengths)}; expected one")

    def __len__(self) -> int:
        return len(self.item)

    @classmethod
    def none(cls) -> Candidates:
        """No items at all."""
        return cls(NO_ROWS, np.empty(0, np.uint16), np.empty((0, 0), np.float32), np.empty(0, np.float32))

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Candidates:
        """These rows, in this order."""
        return Candidates(self.item[rows], self.proposed[rows], self.signal[rows], self.score[rows])

    def scored(self, score: NDArray[np.float32]) -> Candidates:
        """The same items, judged."""
        return Candidates(self.item, self.proposed, self.signal, score)

    def top(self, limit: int) -> Candidates:
        """Best first. Ties keep the order of retrieval; an unscored item never wins."""
        key = np.where(np.isnan(self.score), -np.inf, self.score)
        return self.take(np.argsort(-key, kind="stable")[:limit])


class Slate(msgspec.Struct, frozen=True, eq=False):
    """The ordered items of one answer, with what must be known later of each position."""

    item: NDArray[np.int32]  # (K,) item rows, best first
    score: NDArray[np.float32]  # (K,)
    propensity: NDArray[np.float32]  # (K,) chance that this policy put this item here; 1 where fixed
    proposed: NDArray[np.uint16]  # (K,) bit s is set if SOURCES[s] proposed it; 0 for a pinned or packed item
    signal: NDArray[np.float32]  # (K, G)
    rules: tuple[str, ...] = ()  # ids of the merchandising rules that changed it

    def __len__(self) -> int:
        return len(self.item)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Slate:
        """These positions, in this order."""
        return Slate(
            self.item[rows], self.score[rows], self.propensity[rows], self.proposed[rows], self.signal[rows],
            self.rules,
        )  # fmt: skip


class Degraded(msgspec.Struct, frozen=True):
    """Why an answer is less than it could be. ``level`` is the step of the fallback chain that answered."""

    level: str  # "session", "item_to_item", "segment_trending", "trending", "packed"
    reason: str


class Answer(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One answer as the log keeps it: the ground of attribution, experiments and explanations."""

    recommendation_id: str
    answered_us: int
    user_id: str | None
    anonymous_id: str | None
    session_id: str | None
    placement: str
    strategy: str
    release: str
    items: tuple[str, ...]
    scores: tuple[float, ...]
    propensities: tuple[float, ...]
    sources: tuple[dict[str, float], ...]  # per position: source name -> its own score
    features: tuple[bytes, ...] = ()  # per position: float32 little-endian row in the release's feature order
    seeds: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    missing: dict[str, str] = {}  # source -> why it is not here
    degraded: Degraded | None = None
    context: Context = Context()
    seen: str = "keep"
    filter: str | None = None


class Deadline(msgspec.Struct, frozen=True):
    """When the answer is due. ``now`` and ``at_s`` are monotonic seconds; tests hand in a fake clock."""

    now: Callable[[], float]
    at_s: float
    budget_s: float

    def instant(self, share: float) -> float:
        """When ``share`` of the budget is used up, by ``now``."""
        return self.at_s - self.budget_s * (1.0 - share)

    def passed(self, share: float = 1.0) -> bool:
        """True once ``share`` of the budget is used up."""
        return self.now() > self.instant(share)


Missing = Mapping[str, str]
