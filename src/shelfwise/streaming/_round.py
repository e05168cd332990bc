"""What the keeper has in hand: a group of requests, and answers that wait for a commit to share."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from shelfwise.domain import ShelfwiseError
from shelfwise.stores import ItemChange, Receipt, Stream
from shelfwise.streaming._admission import Admitted, Batch

Outcome = Receipt | ShelfwiseError | Future[Receipt]


@dataclass(slots=True)
class Round:
    """One group of requests on its way: what of it goes to the log, and what is said to whom."""

    outcomes: list[Outcome | None]
    events: dict[int, Batch] = field(default_factory=dict)  # place in the group -> what was taken
    admitted: Admitted | None = None  # all of them together
    items: dict[int, tuple[bytes, list[ItemChange]]] = field(default_factory=dict)

    def blobs(self, answers: Sequence[bytes] = ()) -> dict[Stream, list[bytes]]:
        """What is appended; streams without news left out."""
        events = [batch.blob for batch in self.events.values() if batch.blob]
        items = [blob for blob, _ in self.items.values()]
        found: dict[Stream, list[bytes]] = {"events": events, "items": items, "answers": [*answers]}
        return {stream: blobs for stream, blobs in found.items() if blobs}


@dataclass(slots=True)
class Held:
    """Batches of answers that wait for a commit to share. Who handed them over is told after it."""

    payloads: list[bytes] = field(default_factory=list)
    receipts: list[Future[Receipt]] = field(default_factory=list)
    due_s: float = float("inf")  # monotonic

    def add(self, payload: bytes, due_s: float) -> Future[Receipt]:
        """Take one; the time of the first counts."""
        self.payloads.append(payload)
        self.receipts.append(Future())
        self.due_s = min(self.due_s, due_s)
        return self.receipts[-1]

    def tell(self, trouble: ShelfwiseError | None) -> None:
        """What became of them."""
        for receipt in self.receipts:
            if trouble is None:
                receipt.set_result(Receipt(accepted=1))
            else:
                receipt.set_exception(trouble)
