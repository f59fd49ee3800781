"""The README's commands are run as they stand, with names of the test's own put in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.support.minio import MinioServer

README = (ROOT / "README.md").read_text()


def section(heading: str) -> str:
    """The text under a heading."""
    _, _, behind = README.partition(f"\n## {heading}\n")
    return behind.partition("\n## ")[0]


def blocks(text: str) -> list[str]:
    """The shell commands of a text."""
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


@pytest.mark.real
def test_mounting_a_bucket_of_ones_own(minio: MinioServer, bucket: str, tmp_path: Path) -> None:
    keys = minio.group_keys(bucket, "my-group")
    commands = "".join(blocks(section("When it fails")))
    mount, use = blocks(section("Mount your own bucket"))
    script = mount + use.replace("fusermount3", commands + "fusermount3")
    for given, own in {
        "my-bucket": bucket,
        "my-key": keys.access_key,
        "my-secret": keys.secret_key,
        "http://127.0.0.1:9000": minio.endpoint_url,
    }.items():
        assert given in script
        script = script.replace(given, own)
    environ = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_PROXY": "127.0.0.1",
        "PHFS_STATE_DIR": str(tmp_path / "state"),
    }
    done = subprocess.run(
        ["sh", "-e", "-c", script], env=environ, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("hello\n")
    assert bucket in done.stdout
    assert list((tmp_path / "phfs").iterdir()) == [], "unmounted"


@pytest.mark.real
def test_a_pods_volumes() -> None:
    (script,) = blocks(section("In a pod"))
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "/phfs" in done.stdout
    assert "restartPolicy: Always" in done.stdout


def test_the_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"make ([a-z-]+)", README)
    assert len(targets) > 2
    for target in targets:
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target


def test_the_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 3
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_options_named_exist() -> None:
    from phfs.config.mount import OPTIONS, flag

    text = section("Mount your own bucket") + section("What works and what is refused")
    named = set(re.findall(r"`(--[a-z-]+)", text)) - {"--device", "--cap-add", "--help"}
    assert len(named) > 3
    assert named <= {flag(row) for row in OPTIONS}
