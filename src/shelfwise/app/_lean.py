"""What a process need not load before it answers."""

from __future__ import annotations

import sys
from typing import Any, cast

_BLAS = "scipy.linalg"  # half a second of CPU to import


def without_blas() -> None:
    """Let numba find no BLAS, for which it looks before its first kernel: no kernel of ours multiplies matrices by it.

    Others may still import it afterwards. Nothing happens where it, or a kernel, is loaded already.
    """
    if _BLAS in sys.modules or "numba.np.arraymath" in sys.modules:
        return
    cast(dict[str, Any], sys.modules)[_BLAS] = None  # an import of it fails, as if there were none
    try:
        import numba.np.arraymath  # noqa: F401 - where it looks
    finally:
        del sys.modules[_BLAS]
