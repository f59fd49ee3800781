"""The allocator's figures do what they are for: memory that was touched is used again."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from phfs import allocator
if sys.argv[1] != "untuned":
    allocator.tune({"plenty": 512, "short": 256}[sys.argv[1]] * 2**20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    parts = [bytes([number]) * 2**20 for number in range(16)]
    del parts
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize(
    ("how", "most"), [("plenty", 10_000), ("short", 200_000), ("untuned", 200_000)]
)
def test_pages_that_were_touched_are_used_again_where_memory_is_plenty(how: str, most: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True
    )
    faults = int(run.stdout)
    assert faults <= most
    # A page fault for each 4 KiB of 320 MiB: else there would be nothing to tune, or, where memory
    # is short, what is freed would not go back to the system.
    assert how == "plenty" or faults > 40_000
