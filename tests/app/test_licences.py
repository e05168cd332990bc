"""What a shop installs may be used, changed and sold by anybody: every core library has a permissive licence."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, requires

import pytest

PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|PSF|Python Software Foundation|ISC|OLDAP|Public Domain|MPL|Unlicense|Zlib", re.I
)
COPYLEFT = re.compile(r"\b(A?GPL|SSPL|BUSL|Commons Clause)\b")
NAME = re.compile(r"[A-Za-z0-9._-]+")


def core() -> list[str]:
    """Our own requirements and theirs, extras left out."""
    found: dict[str, None] = {}
    waiting = ["shelfwise"]
    while waiting:
        for line in requires(waiting.pop()) or ():
            name = NAME.match(line)
            if name is None or "extra ==" in line or name.group().lower() in found:
                continue
            try:
                distribution(name.group())
            except PackageNotFoundError:  # of another system
                continue
            found[name.group().lower()] = None
            waiting.append(name.group())
    return sorted(found)


def licence(name: str) -> str:
    told = distribution(name).metadata
    classifiers = [line for line in told.get_all("Classifier") or () if line.startswith("License")]
    return " ".join([told.get("License-Expression") or "", (told.get("License") or "")[:200], *classifiers])


@pytest.mark.parametrize("name", core())
def test_a_core_library_has_a_permissive_licence(name: str) -> None:
    text = licence(name)
    assert PERMISSIVE.search(text), text
    assert not COPYLEFT.search(text), text
