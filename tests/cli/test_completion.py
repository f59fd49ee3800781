"""``phfs completion``: what a real bash proposes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from phfs.cli.commands import COMMANDS as COMMANDS_OF_PHFS
from phfs.commandline import Command, Family, Parser
from tests.support.terminal import Terminal

PATIENCE = 60.0

COMMANDS = Path(sys.executable).parent

# Calls what `complete -F` has registered for a command, as bash does for a TAB.
PROPOSE = r"""
source "$1"; shift
registered=$(complete -p "$1")
function=${registered#* -F }
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
${function%% *}
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    done = subprocess.run(
        [COMMANDS / "phfs", "completion", "bash"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    file = tmp_path_factory.mktemp("completion") / "phfs.bash"
    file.write_text(done.stdout)
    return file


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "config.toml"
    config.write_text("[mount.research]\n[mount.results]\n[mount.data]\n")
    path = f"{COMMANDS}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "PHFS_CONFIG": str(config)}


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        ("phfs upl", {"uploads"}),
        ("phfs comp", {"completion"}),
        ("phfs uploads ", {"list", "abort"}),
        ("phfs uploads list --path-s", {"--path-style"}),
        ("phfs uploads list --path-style ", {"auto", "on", "off"}),
        ("phfs uploads list @res", {"@research", "@results"}),
        ("phfs config --ex", {"--example"}),
        ("phfs config --config k", {"keys"}),
        ("phfs unmount pl", {"places"}),
        ("phfs ls k", {"keys"}),
        ("phfs files upload k", {"keys"}),
        ("phfs-mount --meta", {"--metadata-ttl"}),
        ("phfs-mount --log-format j", {"json"}),
        ("phfs-mount @d", {"@data"}),
        ("phfs-mount b pl", {"places"}),
        ("phfs-mount b places --credentials-file k", {"keys"}),
        ("phfs-mount b places --state-dir ", {"places"}),
    ],
)
def test_what_is_proposed(
    words: str, proposed: set[str], bash_script: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "places").mkdir()
    (tmp_path / "keys").touch()
    assert proposals(words, bash_script, environ, tmp_path) == proposed


def proposals(words: str, script: Path, environ: dict[str, str], directory: Path) -> set[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", PROPOSE, "bash", script, *words.split(" ")],
        env=environ,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


def taking_names(commands: Sequence[Command | Family], before: str = "phfs") -> Iterator[str]:
    """The subcommands that take an argument @NAME, as they are called."""
    for command in commands:
        called = f"{before} {command.name}"
        if isinstance(command, Family):
            yield from taking_names(command.commands, called)
            continue
        parser = Parser(called, "")
        command.add_options(parser)
        if parser.takes_name:
            # What is to be done stands before it.
            yield f"{called} list" if called == "phfs uploads" else called


def test_names_of_mounts_are_proposed_wherever_one_is_taken(
    bash_script: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    called = list(taking_names(COMMANDS_OF_PHFS))
    assert {"phfs config", "phfs ls", "phfs top", "phfs files list"} < set(called)
    for words in called:
        assert proposals(f"{words} @da", bash_script, environ, tmp_path) == {"@data"}, words


def test_a_name_is_completed_on_a_terminal(
    bash_script: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    with Terminal(["bash", "--norc", "--noprofile", "-i"], environ) as terminal:
        # The quotes keep the line itself, which the terminal shows, from being what is waited for.
        terminal.type(f"source {bash_script}; echo rea''dy\n".encode())
        terminal.wait_for("ready")
        terminal.type(b"phfs-mount @da\t--frob\n")
        terminal.wait_for("There is no option --frob")
    assert "phfs-mount @data --frob" in terminal.screen


def test_both_shells_and_no_other() -> None:
    zsh = subprocess.run(
        [COMMANDS / "phfs", "completion", "zsh"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout
    for words in ("#compdef phfs\n", "#compdef phfs-mount\n", "--metadata-ttl", "uploads"):
        assert words in zsh
    fish = subprocess.run(
        [COMMANDS / "phfs", "completion", "fish"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (fish.returncode, fish.stdout) == (2, "")
    assert "give bash or zsh" in fish.stderr
