"""From the command line to a config, and what is said instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from phfs.cli.arguments import parse
from phfs.commandline import UsageError
from phfs.config.mount import OPTIONS, flag, option_of
from phfs.errors import ConfigError

NEEDED = ["my-bucket", "/mnt/phfs", "--group", "g"]


def test_arguments_and_options_in_any_order() -> None:
    expected = parse(["b", "/mnt/phfs", "--group", "g", "--read-only"], {})
    assert (expected.bucket, expected.mountpoint) == ("b", Path("/mnt/phfs"))
    assert expected.read_only
    for argv in (
        ["--read-only", "b", "--group", "g", "/mnt/phfs"],
        ["--group=g", "--read-only", "b", "/mnt/phfs"],
        ["b", "--group", "g", "/mnt/phfs", "--read-only"],
        ["--group", "other", "--group", "g", "--read-only", "--", "b", "/mnt/phfs"],
    ):
        assert parse(argv, {}) == expected


def test_every_option_is_on_the_command_line_but_the_keys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        parse(["--help"], {})
    assert left.value.code == 0
    shown = capsys.readouterr().out
    for row in OPTIONS:
        assert (f"  {flag(row)}" in shown or f", {flag(row)}" in shown) != option_of(row).secret
    assert "PHFS_SECRET_ACCESS_KEY" in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse(["--version"], {})
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("phfs-mount 0.")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--gruop", "h"], "There is no option --gruop; is --group meant?"),
        (["--part-sise=5"], "There is no option --part-sise; is --part-size meant?"),
        (["--zzz=private"], "There is no option --zzz."),
        (["-x"], "There is no option -x"),
        (["--read"], "There is no option --read; is --read-only meant?"),
        (["third"], "There is an argument too many: 'third'."),
        (["--timeout"], "--timeout needs a value: give a number of seconds from 0.1 to 3600."),
        (["--read-only=on"], "--read-only takes no value."),
        (["--supervise", "--no-supervise"], "--supervise and --no-supervise are both given"),
        (["--no-read-only", "--read-only"], "--read-only and --no-read-only are both given"),
        (["--config"], "--config needs a value: give the path of a file."),
        (["-o"], "-o needs a value: give options as in /etc/fstab"),
        (["@"], "@ is given without a mount's name"),
        (["@a", "@b"], "@a and @b are both given: give one mount's name."),
    ],
)
def test_usage_is_refused_in_a_sentence(more: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse([*NEEDED, *more], {})
    assert str(refused.value).startswith(sentence)
    assert "private" not in str(refused.value)


@pytest.mark.parametrize(
    "argument",
    [
        "--secret-key", "--secret-access-key", "--secret_key", "--access-key", "--access-key-id",
        "--session-token", "--password",
    ],
)  # fmt: skip
@pytest.mark.parametrize("separator", ["=", " "])
def test_keys_are_refused_and_not_repeated(argument: str, separator: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse([*NEEDED, *f"{argument}{separator}hunter2".split(" ")], {})
    sentence = str(refused.value)
    assert "PHFS_SECRET_ACCESS_KEY" in sentence
    assert "hunter2" not in sentence


def test_a_wrong_value_names_where_it_came_from() -> None:
    with pytest.raises(ConfigError, match=r"^--uid 'me' is wrong"):
        parse([*NEEDED, "--uid", "me"], {})
    with pytest.raises(ConfigError, match=r"^PHFS_UID 'me' is wrong"):
        parse(NEEDED, {"PHFS_UID": "me"})
    with pytest.raises(ConfigError, match=r"^-o uid 'me' is wrong: give a whole number"):
        parse([*NEEDED, "-o", "uid=me"], {})
    with pytest.raises(ConfigError, match=r"^-o sse_kms_key is given without --sse aws:kms"):
        parse([*NEEDED, "-o", "sse_kms_key=k"], {})
    with pytest.raises(ConfigError, match=r"^The end of the source 'a//b' is wrong: give the begi"):
        parse(["s3://b/a//b", "/mnt/phfs"], {})
    with pytest.raises(ConfigError, match=r"^--config '' is wrong: give the path of a file"):
        parse([*NEEDED, "--config", ""], {})


CONFIG = """
[mount.research]
bucket = "my-bucket"
group = "research"
mountpoint = "/mnt/research"
read_only = true
"""


@pytest.fixture
def config_file(tmp_path: Path) -> str:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    return str(file)


def test_a_name_chooses_a_mount_of_the_configuration_file(config_file: str) -> None:
    environ = {"PHFS_CONFIG": config_file}
    config = parse(["@research"], environ)
    assert (config.bucket, config.prefix) == ("my-bucket", "groups/research/")
    assert (config.mountpoint, config.read_only) == (Path("/mnt/research"), True)
    assert parse(["--config", config_file, "@research"], {}) == config
    for argv in (["@research", "/mnt/x"], ["/mnt/x", "@research"]):
        assert parse(argv, environ).mountpoint == Path("/mnt/x")
    both = parse(["@research", "other", "/mnt/x", "--no-read-only", "--group=g"], environ)
    assert (both.bucket, both.prefix, both.read_only) == ("other", "groups/g/", False)


def test_a_name_nobody_knows(config_file: str) -> None:
    with pytest.raises(ConfigError, match="is @research meant"):
        parse(["@resaerch", "/mnt/x"], {"PHFS_CONFIG": config_file})
    with pytest.raises(ConfigError, match="there is none that you may read at /etc/phfs"):
        parse(["@research"], {})


def test_behind_two_dashes_nothing_is_a_name() -> None:
    with pytest.raises(ConfigError, match=r"^The value of BUCKET is wrong"):
        parse(["--group=g", "--", "@research", "/mnt/x"], {})


def test_a_bucket_as_a_url_and_options_as_in_fstab() -> None:
    config = parse(["s3://b/groups/g/", "/mnt/phfs", "-o", "ro,metadata_ttl=3", "-o", "uid=7"], {})
    assert (config.bucket, config.prefix) == ("b", "groups/g/")
    assert (config.read_only, config.metadata_ttl, config.uid) == (True, 3, 7)
    assert parse(["b", "/mnt/phfs", "-o", "group=g,uid=7", "--uid=8"], {}).uid == 8


def test_an_empty_prefix_is_the_whole_bucket() -> None:
    assert parse(["b", "/mnt/phfs", "--prefix", ""], {}).prefix == ""


def test_a_switch_that_is_on_by_itself_can_be_turned_off() -> None:
    assert parse([*NEEDED], {}).supervised
    assert not parse([*NEEDED, "--no-supervise"], {}).supervised
    assert parse([*NEEDED, "-f", "--supervise"], {}).supervised
    assert not parse([*NEEDED, "--no-supervise"], {"PHFS_SUPERVISE": "on"}).supervised
