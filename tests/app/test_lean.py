"""What a process that answers does without."""

from __future__ import annotations

import subprocess
import sys


def test_a_kernel_loads_no_linear_algebra_and_who_wants_it_later_gets_it() -> None:
    code = """
import sys
from shelfwise.app._lean import without_blas
without_blas()
import numpy as np
from shelfwise.serving._retrieve import all_there
assert all_there(np.array([0], np.int32), np.array([1]), np.array([0], np.uint8))
assert "scipy.linalg" not in sys.modules
import scipy.linalg
print(scipy.linalg.norm([3.0, 4.0]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "5.0", done.stderr
