"""Everything below ROOT is taken away, whatever lies upon or below what."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phfs.sidecar import teardown

pytestmark = pytest.mark.real


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "root"
    made.mkdir()
    yield made
    for mount in teardown.below(made):
        subprocess.run(["umount", "-l", mount.path], check=False)


def mount(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "phfs-test", path], check=True)


async def test_stacks_and_what_lies_below_each_other(root: Path) -> None:
    for path in (root / "a", root / "a", root / "b", root / "a/below", root / "a/below/more"):
        mount(path)
    outside = root.parent / "outside"
    mount(outside)
    try:
        assert await teardown.take_down(root) == []
        assert teardown.below(root) == []
        assert len(teardown.below(root.parent)) == 1
    finally:
        subprocess.run(["umount", outside], check=True)


async def test_what_somebody_uses_is_detached(root: Path) -> None:
    mount(root / "a")
    with (root / "a/file").open("w") as file:
        assert await teardown.take_down(root) == []
        assert teardown.below(root) == []
        file.write("still open")
