"""What items look like and what is written of them, as vectors: from the feed and from a text encoder."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import Item, Shelf
from shelfwise.features import TextEncoder, unit
from shelfwise.stores import Catalogue

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop

log = logging.getLogger("shelfwise.training")
WIDTH = 64  # of what is kept: the axes along which items differ most


def training_shelf(shop: Shop) -> Shelf:
    """The shop's shelf with what its feed and its text encoder tell of items. Raises InvalidInput for the encoder."""
    readers, encoder = shop.readers, shop.settings.features.text_encoder
    folder = shop.layout.folder / encoder if encoder is not None else None
    return with_vectors(readers.shelf_reader.shelf(), readers.catalogue, encoder=folder)


def with_vectors(shelf: Shelf, catalogue: Catalogue, *, encoder: Path | None) -> Shelf:
    """The shelf with a vector an item, of the feed's vectors and of texts, each kind weighing the same.

    Vectors of another size than most are left out and named in the log: a cosine of two models means nothing.

    Args:
        shelf: As the catalogue stands.
        catalogue: Where the feed's vectors are.
        encoder: Folder of a static text model; None encodes no texts. Raises InvalidInput for one that is none.
    """
    stored = {one.row: one.item for one in catalogue.since(0) if one.row < len(shelf)}
    items = [stored.get(row) for row in range(len(shelf))]
    parts = [part for part in (_of_feed(items), _of_texts(items, encoder)) if part is not None]
    return replace(shelf, vector=narrowed(np.hstack(parts))) if parts else shelf


def _of_feed(items: Sequence[Item | None]) -> NDArray[np.float32] | None:
    """``(I, D)``, or None where no item has one."""
    sizes = Counter(len(item.vector) for item in items if item is not None and item.vector is not None)
    if not sizes:
        return None
    width = sizes.most_common(1)[0][0]
    rows = np.zeros((len(items), width), np.float32)
    others = []
    for row, item in enumerate(items):
        if item is not None and item.vector is not None:
            if len(item.vector) == width:
                rows[row] = item.vector
            else:
                others.append(item.item_id)
    if others:
        log.warning("vectors.mixed", extra={"expected": width, "left_out": len(others), "items": others[:20]})
    return unit(rows)


def _of_texts(items: Sequence[Item | None], encoder: Path | None) -> NDArray[np.float32] | None:
    if encoder is None:
        return None
    return TextEncoder.open(encoder).encode(text_of(item) for item in items)


def text_of(item: Item | None) -> str:
    """All that is written of an item: title, description, category, brand, tags, attributes such as reviews."""
    if item is None:
        return ""
    told = (
        item.title,
        item.description,
        *item.category,
        item.brand or "",
        *item.tags,
        *item.attributes.values(),
    )
    return ". ".join(text for text in told if text)


def narrowed(rows: NDArray[np.float32], width: int = WIDTH) -> NDArray[np.float32]:
    """Rows along the axes of the largest spread from 0, of length 1 again; cosines are nearly kept (truncated SVD)."""
    if rows.shape[1] <= width:
        return unit(rows)
    _, axis = np.linalg.eigh(rows.T.astype(np.float64) @ rows)  # rising
    return unit((rows @ axis[:, -width:]).astype(np.float32))
