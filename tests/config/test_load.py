"""Precedence, defaults, and the sentences of refusals."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phfs.config import MountConfig, group_directory, load, unknown_variables
from phfs.config.mount import OPTIONS, flag, option_of, variable
from phfs.errors import ConfigError

NEEDED = {"bucket": "my-bucket", "mountpoint": "/mnt/phfs", "group": "my-group"}

VALID = {
    "bucket": ("b.1", "b.1"),
    "mountpoint": ("/mnt/other", Path("/mnt/other")),
    "group": ("A_b", "A_b"),
    "prefix": ("some/where", "some/where/"),
    "endpoint_url": ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
    "region": ("eu-central-1", "eu-central-1"),
    "profile": ("work", "work"),
    "path_style": ("on", "on"),
    "ca_bundle": ("/etc/passwd", Path("/etc/passwd")),
    "credentials_file": ("/etc/passwd", Path("/etc/passwd")),
    "access_key_id": ("AK", "AK"),
    "secret_access_key": ("s/+=", "s/+="),
    "session_token": ("token", "token"),
    "read_only": ("on", True),
    "noexec": ("true", True),
    "metadata_ttl": ("0.5", 0.5),
    "memory_limit": ("64", 64 * 1024**2),
    "part_size": ("5", 5 * 1024**2),
    "uid": ("1000", 1000),
    "gid": ("100", 100),
    "file_mode": ("0600", 0o600),
    "dir_mode": ("700", 0o700),
    "allow_other": ("yes", True),
    "dir_markers": ("off", False),
    "rename_limit": ("0", 0),
    "timeout": ("1", 1.0),
    "retry_deadline": ("2.5", 2.5),
    "drain_seconds": ("0", 0.0),
    "state_dir": ("/var/tmp/state", Path("/var/tmp/state")),
    "run_as": ("1000:100", (1000, 100)),
    "supervise": ("off", False),
    "keep_dead": ("on", True),
    "storage_class": ("STANDARD_IA", "STANDARD_IA"),
    "sse": ("aws:kms", "aws:kms"),
    "sse_kms_key": ("alias/mine", "alias/mine"),
    "log_level": ("debug", "debug"),
    "log_format": ("json", "json"),
    "show_file": ("/var/tmp/../not/there", Path("/var/not/there")),
    "foreground": ("1", True),
}
"""For every option a text, and the value it stands for."""

TOGETHER = {
    "keep_dead": {"PHFS_RUN_AS": "1000:100"},
    "sse_kms_key": {"PHFS_SSE": "aws:kms"},
    "access_key_id": {"PHFS_SECRET_ACCESS_KEY": "s"},
    "secret_access_key": {"PHFS_ACCESS_KEY_ID": "a"},
    "session_token": {"PHFS_ACCESS_KEY_ID": "a", "PHFS_SECRET_ACCESS_KEY": "s"},
}
"""What an option needs beside it."""

INVALID = {
    "bucket": ["s3://bucket", "a/b", "a b"],
    "mountpoint": ["a\0b"],
    "group": ["", "a/b", ".", "..", "a\nb", "x" * 400],
    "prefix": ["/", "/a", "a//b", "a/../b", "./a", "..", "a\nb", "x" * 800],
    "endpoint_url": ["", "127.0.0.1:9000", "ftp://h", "http://", "http://h:0", "http://h:99999",
                     "http://h?x=1", "http://h/#x", "http://[::1"],
    "region": ["eu central", ""],
    "profile": ["a\nb"],
    "path_style": ["yes", "AUTO"],
    "ca_bundle": ["/no/such/file", "/etc"],
    "credentials_file": ["/no/such/file", "/etc", ""],
    "access_key_id": ["a b"],
    "secret_access_key": ["a\nb"],
    "session_token": ["ö"],
    "read_only": ["maybe"],
    "noexec": ["never"],
    "metadata_ttl": ["-1", "nan", "inf", "a", "1e9"],
    "memory_limit": ["31", "-64", "64MiB", "1.5", "²"],
    "part_size": ["4", "5121", "0x10"],
    "uid": ["root", "4294967295"],
    "gid": ["-1"],
    "file_mode": ["888", "01777", "rw", ""],
    "dir_mode": ["0o", "75 5"],
    "allow_other": ["2"],
    "dir_markers": ["auto"],
    "rename_limit": ["-1", "1.0"],
    "timeout": ["0", "3601"],
    "retry_deadline": ["0", "soon"],
    "drain_seconds": ["-1", "3601"],
    "state_dir": [""],
    "run_as": ["nobody", "0", "1000:0", ":5", "-1"],
    "keep_dead": ["maybe"],
    "supervise": ["never"],
    "storage_class": ["A B"],
    "sse": ["kms"],
    "sse_kms_key": ["a b"],
    "log_level": ["verbose"],
    "log_format": ["JSON"],
    "show_file": ["", "a\0b", "/a/..", "/"],
    "foreground": ["-f"],
}  # fmt: skip
"""For every option texts that are refused."""


def names(options: dict[str, object]) -> list[str]:
    assert set(options) == {row.name for row in OPTIONS}, "every option has its examples"
    return [row.name for row in OPTIONS]


@pytest.mark.parametrize("name", names({**VALID}))
def test_every_option_is_taken_from_argument_and_variable(name: str) -> None:
    text, value = VALID[name]
    beside = TOGETHER.get(name, {})
    same = {key.removeprefix("PHFS_").lower(): other for key, other in beside.items()}
    assert getattr(load({**NEEDED, **same, name: text}, {}), name) == value
    # A prefix counts less than a group that is said before it.
    dropped = {name, "group"} if name == "prefix" else {name}
    without = {key: given for key, given in NEEDED.items() if key not in dropped}
    assert getattr(load(without, {**beside, f"PHFS_{name.upper()}": text}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, text) for name in names({**INVALID}) for text in INVALID[name]],
)
def test_a_wrong_value_is_refused_by_name(name: str, text: str) -> None:
    row = next(row for row in OPTIONS if row.name == name)
    with pytest.raises(ConfigError) as refused:
        load({**NEEDED, name: text}, {})
    sentence = refused.value.why
    assert sentence.startswith(f"The value of {flag(row)}" if is_key(name) else flag(row))
    assert sentence.endswith(f"is wrong: give {option_of(row).kind.expected}.")
    assert is_key(name) or repr(text) in sentence
    if text:
        # A prefix behind a group does not count, and is not judged.
        without = {name, "group"} if name == "prefix" else {name}
        others = {key: given for key, given in NEEDED.items() if key not in without}
        with pytest.raises(ConfigError, match=variable(row)):
            load(others, {variable(row): text})


def is_key(name: str) -> bool:
    return name in ("access_key_id", "secret_access_key", "session_token")


def test_an_option_goes_before_its_variable_and_that_before_the_default() -> None:
    assert load(NEEDED, {}).timeout == 20
    assert load(NEEDED, {"PHFS_TIMEOUT": "5"}).timeout == 5
    assert load({**NEEDED, "timeout": "7"}, {"PHFS_TIMEOUT": "5"}).timeout == 7
    assert load(NEEDED, {"PHFS_TIMEOUT": ""}).timeout == 20


def test_the_endpoint_of_awss_tools_comes_last() -> None:
    aws = {"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_S3": "http://s3:1"}
    assert load(NEEDED, {"AWS_ENDPOINT_URL": "http://all:1"}).endpoint_url == "http://all:1"
    assert load(NEEDED, aws).endpoint_url == "http://s3:1"
    own = {**aws, "PHFS_ENDPOINT_URL": "http://own:1"}
    assert load(NEEDED, own).endpoint_url == "http://own:1"
    with pytest.raises(ConfigError, match=r"^AWS_ENDPOINT_URL 'minio' is wrong"):
        load(NEEDED, {"AWS_ENDPOINT_URL": "minio"})


def test_the_defaults() -> None:
    config = load(NEEDED, {})
    assert config == MountConfig(
        bucket="my-bucket",
        mountpoint=Path("/mnt/phfs"),
        group="my-group",
        prefix="groups/my-group/",
    )
    assert (config.uid, config.gid) == (os.getuid(), os.getgid())
    assert config.source == "s3://my-bucket/groups/my-group/"
    assert config.part_size == 8 * 1024**2


def test_nothing_may_come_from_the_environment_alone() -> None:
    environ = {"PHFS_BUCKET": "b", "PHFS_MOUNTPOINT": "/mnt/phfs", "PHFS_GROUP": "G_1"}
    assert load({}, environ).prefix == "groups/g-1/"


@pytest.mark.parametrize("missing", ["bucket", "mountpoint"])
def test_a_missing_argument_is_named(missing: str) -> None:
    given = {name: text for name, text in NEEDED.items() if name != missing}
    with pytest.raises(ConfigError, match=f"^{missing.upper()} is missing"):
        load(given, {})


def test_neither_group_nor_prefix() -> None:
    with pytest.raises(ConfigError, match="Neither --group nor --prefix"):
        load({"bucket": "b", "mountpoint": "/mnt"}, {})


@pytest.mark.parametrize(
    ("given", "prefix"), [("a", "a/"), ("a/b/", "a/b/"), ("", ""), ("Ä ö", "Ä ö/")]
)
def test_a_prefix_goes_before_the_group(given: str, prefix: str) -> None:
    assert load({**NEEDED, "prefix": given}, {}).prefix == prefix


def test_a_group_said_before_a_prefix_counts_more() -> None:
    assert load(NEEDED, {"PHFS_PREFIX": "other/"}).prefix == "groups/my-group/"
    both = {"PHFS_PREFIX": "other/", "PHFS_GROUP": "my-group"}
    assert load({"bucket": "b", "mountpoint": "/mnt"}, both).prefix == "other/"


@pytest.mark.parametrize(
    ("name", "directory"),
    [("phusers", "phusers"), ("My_Group", "my-group"), ("__A", "--a"), ("a.b c", "a.b c")],
)
def test_the_directory_of_a_group(name: str, directory: str) -> None:
    assert group_directory(name) == directory
    assert load({**NEEDED, "group": name}, {}).prefix == f"groups/{directory}/"


@pytest.mark.parametrize("name", ["", "/", "a/b", ".", ".."])
def test_what_is_no_group(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a group"):
        group_directory(name)


@pytest.mark.parametrize(
    ("given", "environ", "named"),
    [
        ({"part_size": "40", "memory_limit": "64"}, {}, "--part-size 40 .* --memory-limit 64"),
        ({"sse_kms_key": "k"}, {}, "--sse-kms-key is given without --sse aws:kms"),
        ({"sse_kms_key": "k", "sse": "AES256"}, {}, "--sse-kms-key"),
        ({}, {"PHFS_ACCESS_KEY_ID": "a"}, "PHFS_SECRET_ACCESS_KEY belong together"),
        ({}, {"PHFS_SECRET_ACCESS_KEY": "s"}, "PHFS_ACCESS_KEY_ID and"),
        ({}, {"PHFS_SESSION_TOKEN": "t"}, "PHFS_SESSION_TOKEN is set without"),
    ],
)
def test_what_does_not_go_together(
    given: dict[str, str], environ: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        load({**NEEDED, **given}, environ)


def test_secrets_are_never_shown() -> None:
    environ = {
        "PHFS_ACCESS_KEY_ID": "visible1",
        "PHFS_SECRET_ACCESS_KEY": "visible2",
        "PHFS_SESSION_TOKEN": "visible3",
    }
    assert "visible" not in repr(load(NEEDED, environ))
    with pytest.raises(ConfigError) as refused:
        load({**NEEDED, "endpoint_url": "http://me:visible@host"}, {})
    assert "visible" not in str(refused.value)


def test_a_misspelt_variable_is_told() -> None:
    environ = {"PHFS_PARTSIZE": "9", "PHFS_PART_SIZE": "9", "PHFS_SERVICE_HOST": "1", "PATH": "x"}
    assert unknown_variables(environ) == [
        "The variable PHFS_PARTSIZE has no meaning; is PHFS_PART_SIZE meant?"
    ]


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    config = load({**NEEDED, "mountpoint": "link/../link", "state_dir": "state"}, {})
    assert config.mountpoint == tmp_path / "real"
    assert config.state_dir == tmp_path / "state"


def test_mounts_that_share_a_state_dir_log_apart() -> None:
    logs = {
        load({**NEEDED, "mountpoint": mountpoint, "state_dir": "/s"}, {}).log_file
        for mountpoint in ("/mnt/a-b", "/mnt/a/b", "/mnt/" + "x" * 250, "/mnt/" + "x" * 251)
    }
    assert len(logs) == 4
    assert {log.parent for log in logs} == {Path("/s")}
    assert all(len(log.name) < 100 for log in logs)


def test_every_option_has_a_help_and_a_variable_of_its_own() -> None:
    assert len({variable(row) for row in OPTIONS}) == len(OPTIONS)
    assert all(option_of(row).help for row in OPTIONS)


def test_a_file_that_is_followed_is_known_by_the_name_given(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("x")
    (tmp_path / "keys").symlink_to("first")
    config = load({**NEEDED, "credentials_file": str(tmp_path / "keys")}, {})
    assert config.credentials_file == tmp_path / "keys"


def test_keys_come_from_one_place() -> None:
    keys = {"PHFS_ACCESS_KEY_ID": "a", "PHFS_SECRET_ACCESS_KEY": "s", "PHFS_SESSION_TOKEN": "t"}
    config = load({**NEEDED, "credentials_file": "/etc/passwd"}, keys)
    assert config.credentials_file == Path("/etc/passwd")
    assert (config.access_key_id, config.secret_access_key, config.session_token) == (None,) * 3
    config = load({**NEEDED, "access_key_id": "b", "secret_access_key": "c"}, keys)
    assert (config.access_key_id, config.secret_access_key) == ("b", "c")
    assert config.session_token is None
    with pytest.raises(ConfigError, match=r"PHFS_SECRET_ACCESS_KEY belong together: .* one place"):
        load({**NEEDED, "access_key_id": "b"}, keys)
    both = {**keys, "PHFS_CREDENTIALS_FILE": "/etc/passwd"}
    with pytest.raises(ConfigError, match=r"PHFS_CREDENTIALS_FILE is given, and PHFS_ACCESS_KEY"):
        load(NEEDED, both)


def test_a_profile_said_before_is_a_section_or_instead_of_keys() -> None:
    keys = {"PHFS_ACCESS_KEY_ID": "a", "PHFS_SECRET_ACCESS_KEY": "s"}
    named = {**NEEDED, "profile": "work"}
    config = load(named, {"PHFS_CREDENTIALS_FILE": "/etc/passwd", "PHFS_PROFILE": "other"})
    assert (config.profile, config.credentials_file) == ("work", Path("/etc/passwd"))
    config = load(named, keys)
    assert (config.profile, config.access_key_id, config.secret_access_key) == ("work", None, None)
    # Said behind, it is another's; said beside, it may have the region.
    config = load({**NEEDED, "credentials_file": "/etc/passwd"}, {"PHFS_PROFILE": "other"})
    assert (config.profile, config.credentials_file) == (None, Path("/etc/passwd"))
    config = load(NEEDED, {**keys, "PHFS_PROFILE": "other"})
    assert (config.profile, config.access_key_id) == ("other", "a")


# -- who serves, and who watches -----------------------------------------------------------------


def test_it_is_watched_over_in_the_background() -> None:
    assert load(NEEDED, {}).supervised
    assert not load({**NEEDED, "foreground": "on"}, {}).supervised
    assert load({**NEEDED, "foreground": "on", "supervise": "on"}, {}).supervised
    assert not load({**NEEDED, "supervise": "off"}, {}).supervised


def test_who_serves_for_root_has_a_state_directory_of_its_own() -> None:
    assert load({**NEEDED, "run_as": "1000"}, {}).run_as == (1000, 1000)
    assert load({**NEEDED, "run_as": "1000"}, {}).state_dir == Path("/var/lib/phfs-1000")
    named = load({**NEEDED, "run_as": "1000", "state_dir": "/var/tmp/s"}, {})
    assert named.state_dir == Path("/var/tmp/s")


def test_a_descriptor_stays_what_it_is() -> None:
    handed = {**NEEDED, "mountpoint": "/dev/fd/7", "foreground": "on"}
    assert load(handed, {}).mountpoint == Path("/dev/fd/7")
    assert load(handed, {}).descriptor == 7
    assert load(NEEDED, {}).descriptor is None


def test_only_who_mounts_for_another_keeps_what_is_dead() -> None:
    with pytest.raises(ConfigError, match="--keep-dead is given without --run-as"):
        load({**NEEDED, "keep_dead": "on"}, {})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"foreground": "off"}, "--foreground"),
        ({"foreground": "on", "supervise": "on"}, "--supervise"),
        ({"foreground": "on", "run_as": "1000"}, "--run-as"),
    ],
)
def test_what_a_descriptor_does_not_go_with(more: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match="/dev/fd/7") as refused:
        load({**NEEDED, "mountpoint": "/dev/fd/7", **more}, {})
    assert words in refused.value.why
