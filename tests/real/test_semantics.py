"""``docs/semantics.md`` is true: each of its examples is run on a mount."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.conftest import mounting
from tests.support.console import Session, run, sessions
from tests.support.minio import MinioServer
from tests.support.mounted import Mounted
from tests.support.outside import s3_command

pytestmark = pytest.mark.real

DOCUMENT = Path(__file__).parents[2] / "docs" / "semantics.md"
SESSIONS = sessions(DOCUMENT.read_text())

Mounts = Callable[[tuple[str, ...]], Mounted]


@pytest.fixture(scope="module")
def mounts(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounts]:
    """Mounts by their options, each with the directories of its sessions."""
    made: dict[tuple[str, ...], Mounted] = {}
    for mount_with in mounting(minio, tmp_path_factory.mktemp("semantics")):

        def mount(options: tuple[str, ...]) -> Mounted:
            if options not in made:
                made[options] = mount_with(*options)  # noqa: B023 - there is one
                for session in SESSIONS:
                    if session.options == options:
                        made[options].put(f"{session.directory}/", b"")
            return made[options]

        yield mount


@pytest.mark.parametrize("session", SESSIONS, ids=lambda it: " ".join((it.directory, *it.options)))
def test_the_examples(session: Session, mounts: Mounts, tmp_path: Path) -> None:
    mounted = mounts(session.options)
    (tmp_path / "tmp").mkdir()
    with s3_command(mounted, tmp_path) as commands:
        differences = run(session, mounted.path, commands, tmp_path / "tmp")
    assert not differences, f"{DOCUMENT} is not true:\n\n" + "\n".join(differences)


def test_nothing_in_the_document_is_left_out() -> None:
    text = DOCUMENT.read_text()
    assert sum(len(session.steps) for session in SESSIONS) == text.count("\n$ ")
