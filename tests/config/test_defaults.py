"""Defaults that depend on the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phfs.config import defaults

GIB = 1024**3


def hierarchy(root: Path, limits: dict[str, str]) -> Path:
    for name, text in limits.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("membership", "limits", "expected"),
    [
        ("0::/pod/app", {"pod/app/memory.max": str(GIB)}, GIB),
        ("0::/pod/app", {"pod/app/memory.max": "max"}, None),
        ("0::/pod/app", {"pod/app/memory.max": "max", "pod/memory.max": "4096"}, 4096),
        ("0::/", {"memory.max": "8192"}, 8192),
        ("0::/host/only", {"memory.max": "8192"}, 8192),
        ("5:cpu,memory:/pod", {"memory/pod/memory.limit_in_bytes": "12288"}, 12288),
        ("5:memory:/host/only", {"memory/memory.limit_in_bytes": "12288"}, 12288),
        ("5:memory:/", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("5:memory:/p\n0::/", {"memory/p/memory.limit_in_bytes": "1", "memory.max": "2"}, 1),
        ("3:cpuset:/", {"memory.max": "1"}, None),
        ("0::/a:b", {"a:b/memory.max": "77"}, 77),
        ("", {}, None),
    ],
)
def test_the_limit_of_the_control_group(
    tmp_path: Path, membership: str, limits: dict[str, str], expected: int | None
) -> None:
    root = hierarchy(tmp_path / "cgroup", limits)
    file = tmp_path / "membership"
    file.write_text(membership + ("\n" if membership else ""))
    assert defaults.cgroup_memory_limit(root, file) == expected


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert defaults.cgroup_memory_limit(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(
    ("limit", "expected_mib"), [(None, 512), (4 * GIB, 512), (GIB // 2, 256), (1, 32)]
)
def test_the_memory_limit_is_half_of_it(limit: int | None, expected_mib: int) -> None:
    assert defaults.memory_limit(limit) == expected_mib * 1024**2


def test_the_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert defaults.state_dir(is_root=True) == Path("/var/lib/phfs")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    assert defaults.state_dir(is_root=False) == Path("/home/me/state/phfs")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/me")
    assert defaults.state_dir(is_root=False) == Path("/home/me/.local/state/phfs")


def test_the_defaults_are_of_this_machine() -> None:
    assert 32 * 1024**2 <= defaults.memory_limit(defaults.cgroup_memory_limit()) <= 512 * 1024**2
    assert defaults.state_dir(is_root=os.geteuid() == 0).is_absolute()
