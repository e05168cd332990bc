"""The base of every settings class: frozen, bounded, unknown keys refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Typed, bounded settings. The text below a field says what happens when it is turned up or down."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
