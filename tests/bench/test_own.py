"""``phfs bench DIR``: which mounts can be measured, and that nothing stays."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from phfs.bench.own import OwnMount, find_mount, measure_own
from phfs.bench.report import Screen
from phfs.bench.scenario import Size
from phfs.errors import PhfsError

pytestmark = pytest.mark.real  # starts processes

STATUS: dict[str, Any] = {
    "pid": 1,
    "endpoint": "http://127.0.0.1:9",
    "bucket": "bucket",
    "prefix": "groups/g/",
    "read_only": False,
    "limits": {"metadata_ttl_seconds": 0.0},
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that looks like a mount, and a user without keys."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "PHFS_ACCESS_KEY_ID", "PHFS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    mount = tmp_path / "mount"
    says(mount)
    before = signal.getsignal(signal.SIGTERM)
    yield mount
    signal.signal(signal.SIGTERM, before)


def says(mount: Path, **changes: object) -> None:
    (mount / ".phfs").mkdir(parents=True, exist_ok=True)
    (mount / ".phfs/status.json").write_text(json.dumps({**STATUS, **changes}))


def measured(directory: Path, *names: str, output: Path | None = None) -> tuple[int, str]:
    shown = StringIO()
    screen = Screen(Console(file=shown, width=120))
    size = Size.of(quick=True, rounds=1)
    code = measure_own(directory, names=names, size=size, output=output, screen=screen)
    return code, shown.getvalue()


def test_the_mount_is_found_from_below(root: Path) -> None:
    (root / "a/b").mkdir(parents=True)
    found = OwnMount(root, "bucket", "groups/g/", "http://127.0.0.1:9", 1, 0.0)
    assert find_mount(root / "a/b") == found
    says(root, endpoint="Amazon S3")
    assert find_mount(root).endpoint_url is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"read_only": True}, "is read-only"),
        ({"limits": {"metadata_ttl_seconds": 60.0}}, "believes names for 60 seconds"),
    ],
)
def test_some_mounts_cannot_be_measured(
    root: Path, changes: dict[str, object], sentence: str
) -> None:
    says(root, **changes)
    with pytest.raises(PhfsError, match=sentence):
        measured(root)


def test_other_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PhfsError, match="is not inside a mount of PHFS"):
        measured(tmp_path)
    with pytest.raises(PhfsError, match="is not a directory"):
        measured(tmp_path / "none")


def test_without_keys_the_mount_alone_is_measured(root: Path, tmp_path: Path) -> None:
    code, shown = measured(root, "tar-x", output=tmp_path / "results")
    assert code == 0, shown
    assert "The store itself is not measured" in shown
    assert "tar-x" in shown
    (result,) = json.loads((tmp_path / "results/results.json").read_text())["results"]
    assert (result["subject"], result["link"]) == ("phfs", str(root))
    assert sorted(path.name for path in root.iterdir()) == [".phfs"]


def test_interrupted_it_removes_what_it_wrote(root: Path) -> None:
    def interrupt_when_it_writes() -> None:
        while not list(root.glob("phfs-bench-*/*/*/*.bin")):
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    user = threading.Thread(target=interrupt_when_it_writes)
    user.start()
    code, shown = measured(root, "small-read-ordered", "small-read-shuffled-8", "ls", "ls-l")
    user.join()
    assert code == 130
    assert "Interrupted" in shown
    assert sorted(path.name for path in root.iterdir()) == [".phfs"]
