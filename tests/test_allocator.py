"""The allocator's figures do what they are for: memory that was touched is used again."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from phfs import allocator
if sys.argv[1] == "tuned":
    allocator.tune()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    parts = [bytes([number]) * 2**20 for number in range(16)]
    del parts
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize(("how", "most"), [("tuned", 10_000), ("untuned", 200_000)])
def test_writes_of_the_kernels_size_use_pages_that_were_touched(how: str, most: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True
    )
    faults = int(run.stdout)
    assert faults <= most
    # A page fault for each 4 KiB of 320 MiB: else there would be nothing to tune.
    assert how == "tuned" or faults > 40_000
