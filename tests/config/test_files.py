"""Configuration files: which are read, what counts more, how what is wrong in them is refused."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from phfs.config import NO_FILES, MountConfig, files, find, load
from phfs.config.load import gather
from phfs.config.mount import BY_NAME, OPTIONS
from phfs.config.option import option_of, variable
from phfs.errors import ConfigError
from phfs.system.privileges import Identity, acting_as
from tests.config.test_load import TOGETHER, VALID

NEEDED = 'bucket = "my-bucket"\ngroup = "my-group"\nmountpoint = "/mnt/phfs"\n'


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's file, which is not there yet."""
    path = tmp_path / "etc" / "config.toml"
    path.parent.mkdir()
    monkeypatch.setattr(files, "MACHINE", path)
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The user's file, which is not there yet."""
    path = tmp_path / ".config" / "phfs" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def config_of(
    home: Path,
    name: str | None = None,
    arguments: dict[str, str] | None = None,
    environ: dict[str, str] | None = None,
) -> MountConfig:
    variables = {"HOME": str(home), **(environ or {})}
    return load(arguments or {}, variables, find(variables, None, name))


def refusal(text: str, file: Path, name: str | None = None) -> str:
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ConfigError) as refused:
        load({"bucket": "b", "mountpoint": "/m", "group": "g"}, {}, find({}, str(file), name))
    assert str(file) in refused.value.why
    return refused.value.why


def toml_of(name: str, text: str) -> str:
    kind = option_of(BY_NAME[name]).kind
    if kind.types == (bool,):
        return "true" if kind.parse(text) else "false"
    return f'"{text}"' if str in kind.types else text


# -- what is read, and what counts more ----------------------------------------------------------


@pytest.mark.parametrize("name", [row.name for row in OPTIONS])
def test_every_option_can_stand_in_a_file(name: str, own: Path, tmp_path: Path) -> None:
    text, value = VALID[name]
    text = "/mnt/other" if name == "mountpoint" else text
    lines = [f"{name} = {toml_of(name, text)}"]
    lines += [line for line in NEEDED.splitlines() if line.split(" ")[0] not in (name, "group")]
    if name not in ("group", "prefix"):
        lines.append('group = "my-group"')
    for other, beside in TOGETHER.get(name, {}).items():
        key = other.removeprefix("PHFS_").lower()
        lines.append(f"{key} = {toml_of(key, beside)}")
    own.write_text("\n".join(lines))
    own.chmod(0o600)
    assert getattr(config_of(tmp_path), name) == value


def test_the_places_in_their_order(own: Path, machine: Path, tmp_path: Path) -> None:
    """Each place says one thing more than the one before it, and loses every earlier one."""
    machine.write_text(f"{NEEDED}timeout = 1\n")
    assert config_of(tmp_path).timeout == 1
    own.write_text("timeout = 2\n")
    assert config_of(tmp_path).timeout == 2
    variables = {"PHFS_TIMEOUT": "3"}
    assert config_of(tmp_path, environ=variables).timeout == 3
    machine.write_text(f"{NEEDED}timeout = 1\n[mount.research]\ntimeout = 4\nregion = 'etc'\n")
    assert config_of(tmp_path, "research", environ=variables).timeout == 4
    own.write_text("timeout = 2\n[mount.research]\ntimeout = 5\n")
    named = config_of(tmp_path, "research", environ=variables)
    assert (named.timeout, named.region) == (5, "etc")
    given = {"timeout": "6"}
    assert config_of(tmp_path, "research", given, variables).timeout == 6
    assert config_of(tmp_path, None, {}, variables).timeout == 3


def test_variables_of_awss_tools_count_more_than_the_top(own: Path, tmp_path: Path) -> None:
    own.write_text(
        f'{NEEDED}endpoint_url = "http://top:1"\n[mount.x]\nendpoint_url = "http://part:1"\n'
    )
    aws = {"AWS_ENDPOINT_URL": "http://aws:1"}
    assert config_of(tmp_path, environ=aws).endpoint_url == "http://aws:1"
    assert config_of(tmp_path, "x", environ=aws).endpoint_url == "http://part:1"
    assert config_of(tmp_path).endpoint_url == "http://top:1"


def test_a_group_on_the_command_line_counts_more_than_a_prefix_in_a_file(
    own: Path, tmp_path: Path
) -> None:
    own.write_text(f'{NEEDED}[mount.x]\nprefix = "published/"\n')
    assert config_of(tmp_path, "x").prefix == "published/"
    assert config_of(tmp_path, "x", {"group": "other"}).prefix == "groups/other/"


def test_a_switch_of_a_file_can_be_turned_off(own: Path, tmp_path: Path) -> None:
    own.write_text(f"{NEEDED}read_only = true\n")
    assert config_of(tmp_path).read_only
    assert not config_of(tmp_path, arguments={"read_only": "off"}).read_only


def test_one_file_is_read_if_it_is_named(own: Path, machine: Path, tmp_path: Path) -> None:
    own.write_text("timeout = 2\n")
    machine.write_text("timeout = 1\n")
    other = tmp_path / "other.toml"
    other.write_text(NEEDED)
    assert config_of(tmp_path, environ={"PHFS_CONFIG": str(other)}).timeout == 20
    third = tmp_path / "third.toml"
    third.write_text(f"{NEEDED}timeout = 3\n")
    environ = {"PHFS_CONFIG": str(other)}
    assert load({}, environ, find(environ, str(third))).timeout == 3
    assert find({"PHFS_CONFIG": "/dev/null"}).paths == (Path("/dev/null"),)


def test_where_the_users_file_is(tmp_path: Path) -> None:
    assert files.users_file({"HOME": "/h"}) == Path("/h/.config/phfs/config.toml")
    assert files.users_file({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}) == Path("/x/phfs/config.toml")
    assert files.users_file({"HOME": "/h", "XDG_CONFIG_HOME": "x"}) == Path(
        "/h/.config/phfs/config.toml"
    )
    assert files.users_file({}) is None
    assert find({"HOME": str(tmp_path)}) == NO_FILES


def test_the_names_of_all_mounts(own: Path, machine: Path, tmp_path: Path) -> None:
    own.write_text("[mount.research]\n[mount.data]\n")
    machine.write_text("[mount.published]\n[mount.data]\n")
    assert files.names({"HOME": str(tmp_path)}) == ["data", "published", "research"]


def test_home_is_where_a_path_begins(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    own.write_text('bucket = "b"\ngroup = "g"\nmountpoint = "~/research"\n')
    assert load({}, {}, find({}, str(own))).mountpoint == Path("/home/me/research")


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("timeout = 1\ngroup = x\n", ["is not TOML", "line 2", "Text stands in quotes"]),
        ("metadata-ttl = 1\n", ["metadata-ttl in", "is no option; is metadata_ttl meant?"]),
        ("[mount.a]\npart_sise = 5\n", ["part_sise in [mount.a] of", "is part_size meant?"]),
        ("zzz = 5\n", ["zzz in", "is no option: 'phfs config --example' shows all keys."]),
        ("[research]\nbucket = 'b'\n", ["[research] in", "[mount.NAME]"]),
        ("mount = 3\n", ["mount in", "[mount.research]"]),
        ("[mount]\nresearch = 'x'\n", ["mount in", "[mount.research]"]),
        ("[mount.'a/b']\n", ["letters, digits and ._- only"]),
        ("metadata_ttl = '1'\n", ['metadata_ttl = "1" in', "wrong type", "without quotes"]),
        ("metadata_ttl = true\n", ["metadata_ttl = true in", "a number of seconds"]),
        ("metadata_ttl = -1\n", ["metadata_ttl = -1 in", "is wrong: give a number of seconds"]),
        ("metadata_ttl = nan\n", ["metadata_ttl = nan in", "is wrong"]),
        ("part_size = 8.0\n", ["part_size = 8.0 in", "whole number of MiB"]),
        ("read_only = 'on'\n", ['read_only = "on" in', "give true or false, without quotes"]),
        ("read_only = 1\n", ["read_only = 1 in", "give true or false, without quotes"]),
        ("file_mode = 0o644\n", ["file_mode in", "wrong type", "octal", "in quotes"]),
        ("log_level = 'loud'\n", ['log_level = "loud" in', "debug, info, warning or error"]),
        ("path_style = false\n", ["path_style = false in", "auto, on or off, in quotes"]),
        ("state_dir = 'state'\n", ['state_dir = "state" in', "begins with / or ~"]),
        ("region = ['a']\n", ["region = ['a'] in", "wrong type"]),
        ("memory_limit = 64\npart_size = 40\n", ["part_size = 40 in", "memory_limit = 64 in"]),
        ("sse_kms_key = 'k'\n", ["sse_kms_key in", "without --sse aws:kms"]),
        ("keep_dead = true\n", ["keep_dead in", "without --run-as"]),
        ("access_key_id = 'a'\n", ["access_key_id in", "PHFS_SECRET_ACCESS_KEY belong together"]),
        ("session_token = 'a'\n", ["session_token in", "is set without PHFS_ACCESS_KEY_ID"]),
    ],
)
def test_what_is_wrong_in_a_file_is_one_sentence(
    text: str, words: list[str], tmp_path: Path
) -> None:
    sentence = refusal(text, tmp_path / "config.toml")
    for word in words:
        assert word in sentence
    assert "\n" not in sentence


def test_only_a_word_without_quotes_is_told_of_quotes(tmp_path: Path) -> None:
    for text in ("[mount.a]\n[mount.a]\n", "timeout = 1\ntimeout = 2\n", "timeout\n"):
        sentence = refusal(text, tmp_path / "config.toml")
        assert "is not TOML" in sentence
        assert "quotes" not in sentence


def test_a_file_of_windows_is_one(own: Path, tmp_path: Path) -> None:
    own.write_bytes(b"\xef\xbb\xbf" + NEEDED.encode() + b"timeout = 5\r\n")
    assert config_of(tmp_path).timeout == 5


KEYS_AT_THE_TOP = 'access_key_id = "top"\nsecret_access_key = "s"\nsession_token = "t"\n'


def test_keys_of_two_places_are_not_mixed(own: Path, tmp_path: Path) -> None:
    variables = {"PHFS_ACCESS_KEY_ID": "var", "PHFS_SECRET_ACCESS_KEY": "s"}
    own.write_text(
        f'{NEEDED}{KEYS_AT_THE_TOP}[mount.a]\ncredentials_file = "/etc/passwd"\n'
        '[mount.b]\naccess_key_id = "part"\nsecret_access_key = "s"\n[mount.c]\n'
    )
    own.chmod(0o600)

    def keys_of(name: str | None, environ: dict[str, str]) -> tuple[object, ...]:
        config = config_of(tmp_path, name, environ=environ)
        return config.access_key_id, config.session_token, config.credentials_file

    for environ in ({}, variables):
        assert keys_of("a", environ) == (None, None, Path("/etc/passwd"))
        assert keys_of("b", environ) == ("part", None, None)
    assert keys_of("c", variables) == keys_of(None, variables) == ("var", None, None)
    assert keys_of("c", {}) == ("top", "t", None)


def test_keys_in_a_file_and_a_file_of_keys_are_named(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    sentence = refusal(f'{KEYS_AT_THE_TOP}credentials_file = "/etc/passwd"\n', file)
    assert sentence.startswith(
        f"credentials_file in {file} is given, and access_key_id in {file} is set, too"
    )


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o666, 0o620])
def test_a_secret_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "config.toml"
    file.write_text('timeout = 1\n[mount.other]\nsecret_access_key = "hunter2"\n')
    file.chmod(mode)
    with pytest.raises(ConfigError) as refused:
        find({}, str(file))
    assert "secret_access_key" in refused.value.why
    assert f"chmod 600 '{file}'" in refused.value.why
    assert "hunter2" not in refused.value.why
    file.chmod(0o600)
    assert gather(OPTIONS, {}, {}, find({}, str(file)))["timeout"].text == "1"


def test_nothing_is_secret_in_a_pipe_that_is_named(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o644)
    writer = threading.Thread(target=pipe.write_text, args=(KEYS_AT_THE_TOP,))
    writer.start()
    found = gather(OPTIONS, {}, {}, find({}, str(pipe)))
    writer.join()
    assert found["access_key_id"].text == "top"


def test_a_pipe_that_is_not_named_is_refused_and_not_waited_for(own: Path, tmp_path: Path) -> None:
    os.mkfifo(own)
    for environ in ({}, {"PHFS_CONFIG": str(own)}):
        with pytest.raises(ConfigError, match=f"{own} is a pipe: put a file there"):
            find({"HOME": str(tmp_path), **environ})


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_may_write_is_refused(own: Path, tmp_path: Path, mode: int) -> None:
    own.write_text("timeout = 5\n")
    own.chmod(mode)
    with pytest.raises(ConfigError, match="can be changed by others: run chmod go-w") as refused:
        find({"HOME": str(tmp_path)})
    assert f"'{own}'" in refused.value.why
    own.chmod(0o644)
    assert find({"HOME": str(tmp_path)}).paths == (own,)


def test_a_file_of_another_user_is_refused(machine: Path) -> None:
    machine.write_text("timeout = 5\n")
    os.chown(machine, 12_345, -1)
    with pytest.raises(ConfigError, match="belongs to user 12345, who is neither you nor root"):
        find({})


def test_ones_own_file_has_to_be_readable_the_machines_has_not(
    own: Path, machine: Path, tmp_path: Path
) -> None:
    for path in (own, machine):
        path.write_text("timeout = 5\n")
        path.chmod(0o600)
    with acting_as(Identity(12_345, 12_345)):
        assert find({}) == NO_FILES
        with pytest.raises(ConfigError, match=f"{own} cannot be read .Permission denied"):
            find({"HOME": str(tmp_path)})
        with pytest.raises(ConfigError, match=f"{machine} cannot be read .Permission denied"):
            find({"PHFS_CONFIG": str(machine)})


def test_an_empty_name_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--config '' is wrong: give the path of a file"):
        find({"HOME": str(tmp_path)}, "")


@pytest.mark.parametrize("value", ["987654321", '"hunter2 "'])
def test_a_wrong_secret_is_not_repeated(tmp_path: Path, value: str) -> None:
    sentence = refusal(f"session_token = {value}\n", tmp_path / "config.toml")
    assert "session_token in" in sentence
    assert value.strip('"') not in sentence


def test_an_unknown_name_is_told_with_the_nearest_and_with_all(own: Path, tmp_path: Path) -> None:
    own.write_text("[mount.research]\n[mount.data]\n")
    with pytest.raises(ConfigError) as refused:
        config_of(tmp_path, "reserch")
    assert refused.value.why == (
        f"There is no [mount.reserch] in {own}; is @research meant? Named there: @data, @research."
    )


def test_what_a_named_mount_leaves_out(own: Path, tmp_path: Path) -> None:
    own.write_text("[mount.research]\nbucket = 'b'\n")
    with pytest.raises(ConfigError, match=r"^MOUNTPOINT is missing, also in \[mount\.research\]"):
        config_of(tmp_path, "research")


def test_a_name_without_any_file(own: Path, machine: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        config_of(tmp_path, "research")
    assert str(own) in refused.value.why
    assert str(machine) in refused.value.why
    assert "phfs config --example" in refused.value.why


def test_a_named_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no configuration file .*/none\.toml"):
        find({}, str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="cannot be read"):
        find({}, str(tmp_path))
    (tmp_path / "latin").write_bytes(b"group = '\xff'")
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        find({}, str(tmp_path / "latin"))


def test_a_misspelt_variable_of_the_file_is_told() -> None:
    from phfs.config import unknown_variables

    assert unknown_variables({"PHFS_CONFIG": "x", variable(OPTIONS[0]): "b"}) == []
    assert unknown_variables({"PHFS_CONFG": "x"}) == [
        "The variable PHFS_CONFG has no meaning; is PHFS_CONFIG meant?"
    ]
