"""``phfs config``: values, where they come from, and nothing secret."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from phfs.cli import main
from phfs.config.mount import OPTIONS

CONFIG = """
timeout = 7
[mount.research]
bucket = "my-bucket"
group = "My_Group"
mountpoint = "/mnt/research"
file_mode = "0600"
memory_limit = 64
secret_access_key = "hunter2"
access_key_id = "hunter1"
"""


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for row in OPTIONS:
        monkeypatch.delenv(f"PHFS_{row.name.upper()}", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://aws:1")
    monkeypatch.setenv("PHFS_REGION", "eu")
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    file.chmod(0o600)
    monkeypatch.setenv("PHFS_CONFIG", str(file))
    return file


def test_every_option_is_shown_with_its_place(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["config", "@research", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["mount"], shown["mounts"]) == ("research", ["research"])
    assert shown["files"] == [str(config_file)]
    options = shown["options"]
    assert list(options) == [row.name for row in OPTIONS]
    part = f"[mount.research] of {config_file}"
    for name, value, place in (
        ("bucket", "my-bucket", part),
        ("prefix", "groups/my-group/", "default"),
        ("file_mode", "0600", part),
        ("dir_mode", "0755", "default"),
        ("memory_limit", "64", part),
        ("part_size", "8", "default"),
        ("timeout", "7", str(config_file)),
        ("region", "eu", "PHFS_REGION"),
        ("endpoint_url", "http://aws:1", "AWS_ENDPOINT_URL"),
        ("read_only", "off", "default"),
        ("storage_class", None, "default"),
        ("secret_access_key", "set", part),
    ):
        assert options[name] == {"value": value, "from": place}


def test_a_prefix_that_does_not_count_is_not_shown(
    config_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config_file.write_text('bucket = "b"\nmountpoint = "/mnt/x"\nprefix = "published/"\n')
    monkeypatch.setenv("PHFS_GROUP", "research")
    assert main.main(["config", "--json"]) == 0
    options = json.loads(capsys.readouterr().out)["options"]
    assert options["prefix"] == {"value": "groups/research/", "from": "default"}
    assert options["group"] == {"value": "research", "from": "PHFS_GROUP"}
    monkeypatch.delenv("PHFS_GROUP")
    assert main.main(["config", "--json"]) == 0
    options = json.loads(capsys.readouterr().out)["options"]
    assert options["prefix"] == {"value": "published/", "from": str(config_file)}


@pytest.mark.parametrize(
    "words", [["config"], ["ls"], ["unmount", "/nowhere"], ["uploads", "list"]]
)
def test_a_misspelt_variable_is_told_once(
    words: list[str],
    config_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PHFS_GRUOP", "x")
    main.main(words)
    told = capsys.readouterr().err.splitlines()
    warning = (
        f"phfs {words[0]}: warning: The variable PHFS_GRUOP has no meaning; is PHFS_GROUP meant?"
    )
    assert [line for line in told if "GRUOP" in line] == [warning]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("ls --gruop x", "phfs: There is no option --gruop; is --group meant? See phfs ls --help."),
        ("files zzz", "phfs files: There is no command 'zzz'. See phfs files --help."),
        ("files list -z", "phfs files: There is no option -z. See phfs files list --help."),
        ("lss", "phfs: There is no command 'lss'; is ls meant? See phfs --help."),
    ],
)
def test_what_is_called_wrongly_names_its_own_help(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words.split()) == 2
    assert capsys.readouterr().err.strip() == told


def test_the_same_for_people(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["config", "@research"]) == 0
    shown = capsys.readouterr().out
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line}
    assert lines["timeout"] == ["timeout", "7", str(config_file)]
    assert lines["storage_class"] == ["storage_class", "the", "bucket's", "default"]
    assert f"Files read: {config_file}" in shown
    assert "Named mounts: @research" in shown
    assert "hunter" not in shown


def test_without_a_name_what_is_missing_is_no_failure(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["config", "--json"]) == 0
    options = json.loads(capsys.readouterr().out)["options"]
    assert options["bucket"] == {"value": None, "from": "default"}
    assert options["timeout"] == {"value": "7", "from": str(config_file)}


def test_what_does_not_go_together_is_refused(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config_file.write_text(f"{CONFIG}part_size = 60\n")
    assert main.main(["config", "@research"]) == 2
    told = capsys.readouterr().err
    assert "part_size = 60 in [mount.research]" in told
    assert "memory_limit = 64 in [mount.research]" in told


def test_a_file_to_begin_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["config", "--example"]) == 0
    shown = capsys.readouterr().out
    assert tomllib.loads(shown) == {}
    assert "# [mount.research]" in shown


def test_other_commands_take_the_name_or_refuse_it(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["uploads", "list", "@reserch"]) == 2
    assert "is @research meant?" in capsys.readouterr().err
    assert main.main(["demo", "@research"]) == 2
    assert "There is an argument too many: '@research'." in capsys.readouterr().err
