"""Mounts upon each other, with the kernel: which stay, and which are taken away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phfs.cli import duty
from phfs.cli.duty import Layers
from phfs.system import mounts

pytestmark = pytest.mark.real


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "mount"
    made.mkdir()
    yield made
    for _ in mounts.mounts_at(made):
        subprocess.run(["umount", "-l", made], check=True)


def die(layers: Layers, path: Path, *, served: bool) -> int:
    """One more mount, served or not, whose process dies; how many there are then."""
    layers.begin()
    device = mounts.attach(path, "s3://b/g/", read_only=False, allow_other=True)
    if served:
        layers.served()
    os.close(device)
    assert mounts.is_dead(path)
    return len(mounts.mounts_at(path))


def test_what_has_been_served_stays_and_what_never_was_goes(path: Path) -> None:
    layers = Layers(path)
    assert die(layers, path, served=True) == 1
    assert die(layers, path, served=True) == 2
    assert die(layers, path, served=False) == 3
    assert die(layers, path, served=False) == 3
    layers.drop()
    assert len(mounts.mounts_at(path)) == 2
    layers.drop()
    assert len(mounts.mounts_at(path)) == 2


def test_another_process_goes_on_with_the_stack(path: Path) -> None:
    assert die(Layers(path), path, served=True) == 1
    layers = Layers(path)
    layers.drop()
    assert die(layers, path, served=True) == 2


def test_a_stack_does_not_grow_without_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty, "MOST_LAYERS", 3)
    layers = Layers(path)
    assert [die(layers, path, served=True) for _ in range(5)] == [1, 2, 3, 3, 3]


def test_a_mount_upon_a_dead_one_is_seen_by_who_has_bound_that(path: Path, tmp_path: Path) -> None:
    """The kernel's rule that all of this is for."""
    for place in (path.parent,):
        subprocess.run(["mount", "--bind", place, place], check=True)
        subprocess.run(["mount", "--make-shared", place], check=True)
    bound = path.parent.parent / "bound"
    bound.mkdir()
    try:
        die(Layers(path), path, served=True)
        subprocess.run(["mount", "--bind", path, bound], check=True)
        subprocess.run(["mount", "--make-slave", bound], check=True)
        die(Layers(path), path, served=True)
        assert len(mounts.mounts_at(bound)) == 2
    finally:
        for place in (bound, bound, path, path, path.parent):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)
        bound.rmdir()


def test_a_mount_that_root_hands_over_has_the_flags_it_was_asked_for(path: Path) -> None:
    wanted = {"read_only": True, "allow_other": False, "noexec": True}
    os.close(mounts.attach(path, "s3://b/g/", **wanted))
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    (flags,) = (line.split()[5] for line in lines if line.split()[4] == str(path))
    assert {"ro", "noexec", "nosuid", "nodev"} <= set(flags.split(","))
