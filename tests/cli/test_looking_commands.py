"""What the commands that look at files take and print, without a store."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path

import pytest

from phfs.cli import addresses, amounts
from phfs.cli.addresses import local
from phfs.cli.commands import share
from phfs.cli.exchanging import table as rows_of
from phfs.cli.explaining import Named, for_each
from phfs.cli.main import main
from phfs.cli.shown import JsonList, counted, name_of, print_json, size_of, utc, values_of
from phfs.commandline import Command, Family, Parser
from phfs.config import load
from phfs.core.objects import ETag
from phfs.errors import ConfigError, InvalidRequest
from phfs.files.looking import Entry
from phfs.files.mounted import seen_of, table
from phfs.files.paths import Remote
from phfs.s3.memory import MemoryStore
from phfs.s3.sign import Link
from phfs.system.mounts import FSTYPE, Mount, all_mounts


class OnTerminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_sizes_are_for_people_or_for_programs() -> None:
    assert size_of(1_536, human=True) == "1.5 KiB"
    assert size_of(1_536, human=False) == "1536"


def test_a_terminal_gets_no_name_it_would_obey(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "a\u202eb\x9b"
    assert name_of(name) == name
    monkeypatch.setattr(sys, "stdout", OnTerminal())
    assert name_of(name) == r"a\u202eb\x9b"


def test_an_entry_as_json() -> None:
    assert values_of(Entry("d/a", False, 3, 86_400, ETag("tag"))) == {
        "name": "a",
        "path": "/d/a",
        "uri": "phfs:///d/a",
        "type": "file",
        "size": 3,
        "modified": "1970-01-02T00:00:00Z",
        "etag": "tag",
    }
    directory = values_of(Entry("d", is_dir=True))
    assert directory["type"] == "directory"
    assert (directory["size"], directory["modified"]) == (None, None)
    assert utc(0) == "1970-01-01T00:00:00Z"
    assert (counted(1, "object"), counted(1_234, "object")) == ("1 object", "1,234 objects")


def test_a_list_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        with JsonList() as out:
            for each in range(number):
                out.add({"ä": each})
        assert json.loads(capsys.readouterr().out) == [{"ä": each} for each in range(number)]


def test_a_list_that_fails_is_no_document(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with JsonList() as out:
            out.add({})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(capsys.readouterr().out)


async def test_a_list_is_open_where_one_element_broke_off(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After a page that came, the next is refused."""

    async def work(one: Named) -> None:
        if one.text == "half":
            out.add({"half": 1})
        if one.text != "whole":
            raise InvalidRequest("The page is refused.")
        out.add({"whole": 1})

    store = MemoryStore(lambda: 1e9)
    for texts, whole in ((["none", "whole"], True), (["half", "whole"], False)):
        with JsonList() as out:
            assert not await for_each(store, [Named(one, Remote(one)) for one in texts], work, out)
        said = capsys.readouterr()
        assert "The page is refused." in said.err
        assert said.out.endswith("]\n") is whole
        assert '{"whole": 1}' in said.out


def test_json_has_nothing_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "a\u202eb\x9b\x7f\U000e0001ä \u65e5"}
    print_json(value)
    with JsonList() as out:
        out.add(value)
    shown = capsys.readouterr().out
    assert all(line.isprintable() for line in shown.splitlines())
    assert r"a\u202eb\u009b\u007f\udb40\udc01ä 日" in shown
    whole, _, listed = shown.partition("}\n[")
    assert json.loads(whole + "}") == value
    assert json.loads("[" + listed) == [value]


def test_a_word_that_a_terminal_would_obey_is_not_repeated_raw(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["ls", "--bogus\x9b2J"]) == 2
    assert r"There is no option '--bogus\x9b2J'." in capsys.readouterr().err


def test_a_link_s_end_has_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Taipei")
    time.tzset()
    try:
        link = Link("http://h/b/k?x", ends=0, temporary=True, keys_end=-3_600)
        assert (
            "until 1970-01-01 08:00:00+08:00, but no longer than until 1970-01-01 07:00:00+08:00:"
            in (share._until(link))
        )
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("text", "size", "holds"),
    [
        ("+10M", 10 * 2**20 + 1, True),
        ("+10M", 10 * 2**20, False),
        ("-1.5k", 1_535, True),
        ("-1.5K", 1_536, False),
        ("7", 7, True),
        ("1GiB", 2**30, True),
        ("1tb", 2**40, True),
        ("0", 1, False),
    ],
)
def test_a_size_that_is_wanted(text: str, size: int, holds: bool) -> None:
    assert amounts.bound(text).holds(size) is holds


def test_times_that_are_written() -> None:
    assert amounts.seconds("1.5h") == 5_400
    assert abs(amounts.moment("2d") - (time.time() - 2 * 86_400)) < 60
    assert amounts.moment("1970-01-02T00:00:00Z") == 86_400
    assert amounts.moment("1970-01-02T00:00:00+01:00") == 82_800
    assert amounts.life("7d") == 604_800


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (amounts.bound, ""),
        (amounts.bound, "10X"),
        (amounts.bound, "++1"),
        (amounts.bound, "nan"),
        (amounts.seconds, "5"),
        (amounts.seconds, "-5s"),
        (amounts.moment, "yesterday"),
        (amounts.moment, "2026-13-01"),
        (amounts.life, "8d"),
        (amounts.life, "0s"),
    ],
)
def test_amounts_that_are_none(read: object, text: str) -> None:
    with pytest.raises(ValueError):
        read(text)  # type: ignore[operator]


def mount(path: str, prefix: str, fstype: str = FSTYPE) -> Mount:
    return Mount(1, fstype, Path(path), f"s3://b/{prefix}", read_only=False)


def below(text: str, *mounts: Mount) -> tuple[Mount, str] | None:
    found = local(text, mounts)
    return found and (found[0].mount, found[1])


def test_a_path_lies_in_the_innermost_mount(tmp_path: Path) -> None:
    outer, inner = mount("/nowhere/phfs", "groups/g/"), mount("/nowhere/phfs/deep", "groups/h/")
    upper = mount("/nowhere/phfs", "groups/i/")
    assert below("/nowhere/phfs/a/b", outer, inner) == (outer, "a/b")
    assert below("/nowhere/phfs/deep/a/", inner, outer) == (inner, "a/")
    assert below("/nowhere/phfs", outer) == (outer, "")
    assert below("/nowhere/phfs/a", outer, upper) == (upper, "a"), "the last is uppermost"
    assert below("/nowhere/phfsx/a", outer) is None
    assert below("phfs:///a", outer) is None
    link = tmp_path / "link"
    link.symlink_to("/nowhere/phfs/d")
    assert below(f"{link}/a", outer) == (outer, "d/a")


def test_what_another_mount_covers_is_not_in_the_group() -> None:
    group, other = mount("/nowhere/phfs", "g/"), mount("/nowhere/phfs/ab", "", "tmpfs")
    assert below("/nowhere/phfs/ab/local.txt", group, other) is None
    assert below("/nowhere/phfs/a", group, other) == (group, "a")


def test_an_address_is_no_path_where_another_mount_covers_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = [mount("/nowhere/phfs", "groups/g/"), mount("/nowhere/phfs/ab", "", "tmpfs")]
    monkeypatch.setattr(addresses, "table", lambda: there)
    config = load({"bucket": "b", "group": "g", "region": "x", "mountpoint": "/"}, {})
    shown = [addresses.address(Remote(path), config) for path in ("a", "ab/local.txt")]
    assert [(one.path, one.mounted) for one in shown] == [
        ("/nowhere/phfs/a", True),
        ("/phfs/ab/local.txt", False),
    ]


@pytest.mark.parametrize("text", ["/nowhere/phfs/../phfs/a", "/nowhere/phfs//a"])
def test_a_path_with_detours_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        local(text, [mount("/nowhere/phfs", "groups/g/")])


def test_a_relative_path_is_where_one_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    here = mount(str(tmp_path), "groups/g/")
    assert below("a/b", here) == (here, "a/b")
    assert below("./a", here) == (here, "a")


def test_a_bound_directory_is_seen_as_what_it_is(tmp_path: Path) -> None:
    lines = tmp_path / "mountinfo"
    lines.write_text(
        "40 1 0:40 / /phfs rw,nosuid - fuse.phfs s3://b/groups/g/ rw,user_id=0,group_id=0\n"
        "41 1 0:40 /a\\040b/c /home/me/data rw - fuse.phfs s3://b/groups/g/ rw\n"
        "42 1 0:42 / /mnt rw - fuse.phfs s3://b/d%C3%A4ta%20x/ rw\n"
    )
    whole, bound, quoted = all_mounts(lines)
    assert (whole.root, bound.root) == ("/", "/a b/c")
    assert [seen and seen.prefix for seen in map(seen_of, (whole, bound, quoted))] == [
        "groups/g/",
        "groups/g/a b/c/",
        "däta x/",
    ]
    assert Path("/") in {each.path for each in table()}


def test_the_table_of_primehub() -> None:
    rows = [{"name": "a", "size": 5, "x": None}, {"name": "long-name", "size": 12_345, "x": "y"}]
    assert rows_of(rows, ("name", "size", "x"), {"size"}) == (
        "name         size  x\n---------  ------  ---\na               5\nlong-name   12345  y"
    )


def test_a_family_in_a_family(capsys: pytest.CaptureFixture[str]) -> None:
    def add(parser: Parser) -> None:
        parser.add_argument("words", nargs="*")
        parser.add_argument("-h", "--human", action="store_true")

    given: list[object] = []
    leaf = Command("get-it", "Get it.", add, lambda words: given.append(words) or 0)  # type: ignore[func-returns-value]
    outer = Family("x", "Outer.", (Family("x inner", "Inner.", (leaf,)),))
    assert outer.main(["inner", "get-it", "a", "-h", "--", "-b", "--"]) == 0
    assert vars(given[0])["words"] == ["a", "-b", "--"]
    assert vars(given[0])["human"] is True
    assert outer.main(["inner", "get"]) == 2
    assert "x inner: There is no command 'get'; is get-it meant?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        outer.main(["inner", "--help"])
    assert "  get-it     Get it." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        outer.main(["--help"])
    assert "  inner      Inner." in capsys.readouterr().out


def test_what_is_behind_two_dashes_is_never_named_wrongly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    family = Family("x", "Outer.", (Command("one", "One.", lambda _: None, lambda _: 0),))
    assert family.main(["one", "--", "-b"]) == 2
    said = capsys.readouterr().err
    assert "-b" in said
    assert "\0" not in said
