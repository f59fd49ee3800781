"""``phfs-sidecar check`` and ``plan`` as processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import phfs
from tests.sidecar.documents import SECRET, dataset, group, raw

PATIENCE = 60.0
COMMAND = Path(sys.executable).parent / "phfs-sidecar"


def call(*arguments: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [COMMAND, *arguments], input=given, capture_output=True, timeout=PATIENCE, check=False
    )


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "doc.yaml"
    data = [dataset("d"), dataset("share", "nfs", nfs={})]
    given = raw(groups=[group("research", "ds:rw:d", "ds:share")], data=data)
    file.write_text(json.dumps(given))
    return file


def test_check_says_what_the_document_is(document: Path) -> None:
    done = call("check", document)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == [
        f"{document} is right: a notebook of alice for research, volumes: 3 rw, 2 out.",
        (
            "  left out, nfs share: It is set up wrongly: spec.nfs.server is missing, "
            "and spec.nfs.path is missing."
        ),
    ]


def test_check_names_everything_that_is_wrong() -> None:
    given: dict[str, Any] = raw(data=[dataset("A"), dataset("b", "env", variables={"K": [SECRET]})])
    given["who"]["user"] = 5
    done = call("check", "-", given=json.dumps(given).encode())
    assert (done.returncode, done.stdout) == (2, b"")
    first, *others = done.stderr.decode().splitlines()
    assert first == "phfs-sidecar: standard input is wrong:"
    assert [line.split(": ")[1] for line in others] == [
        "who.user",
        "data[0].metadata.name",
        "data[1].spec.variables.K",
    ]
    assert SECRET not in done.stderr.decode()


def test_plan_in_text_and_json(document: Path) -> None:
    text = call("plan", document)
    assert text.returncode == 0
    assert text.stdout.startswith(b"A notebook of alice, started for the group research.\n")
    shown = call("plan", "--json", "-", given=document.read_bytes())
    assert json.loads(shown.stdout)["pod"] == {
        "kind": "notebook",
        "user": "alice",
        "group": "research",
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "No command is given. See phfs-sidecar --help."),
        ("chek", "There is no command 'chek'; is check meant?"),
        ("plan", "DOC is missing: give the path of a document, or - for standard input."),
        ("plan /nowhere", "The document /nowhere cannot be read: No such file or directory."),
        ("plan /proc", "The document /proc cannot be read: Is a directory."),
        ("plan a b", "There is an argument too many: 'b'."),
        ("check --json x", "There is no option --json"),
        ("check -", "standard input has no document: give one."),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments: str, sentence: str) -> None:
    done = call(*arguments.split())
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"phfs-sidecar: {sentence}")
    assert done.stderr.count(b"\n") == 1


def test_version_and_help() -> None:
    assert call("--version").stdout.decode() == f"phfs-sidecar {phfs.__version__}\n"
    shown = call("--help").stdout.decode()
    assert "check" in shown
    assert "plan" in shown


def test_a_plan_needs_nothing_heavy(document: Path) -> None:
    """So that it ends in half a second."""
    program = (
        "import sys; from phfs.sidecar.cli import main; code = main(['plan', sys.argv[1]]);"
        "print(code, *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, document], capture_output=True, timeout=PATIENCE, check=True
    )
    code, *modules = done.stderr.decode().split()
    heavy = {"boto3", "botocore", "trio", "pyfuse3", "prometheus_client", "asyncio", "subprocess"}
    assert code == "0"
    assert "pydantic" in modules
    assert heavy.isdisjoint(modules)


def test_a_usage_error_needs_no_pydantic() -> None:
    program = "import sys; from phfs.sidecar.cli import main; main(['plan']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=PATIENCE, check=True
    )
    assert {"pydantic", "yaml"}.isdisjoint(done.stdout.decode().split())
