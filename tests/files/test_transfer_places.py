"""Where things go is what ``cp -R`` does, tried beside it."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from phfs.errors import ConfigError, NotDirectory
from tests.files.copies import Copying, grown, held, memory, plant

SOURCES = {"file": b"new file", "tree/x": b"new x", "tree/deep/y": b"new y", "other": b"other"}
TARGETS = {"taken": b"old file", "there/old": b"old", "there/tree/z": b"old z"}

FROM = ("file", "file/", "tree", "tree/", "tree/.", "tree/./")
TO = ("missing", "missing/", "taken", "taken/", "there", "there/", "there/.", "there/tree")
SEVERAL = (("file", "other"), ("tree", "file"), ("tree/", "other"))

CASES = [((source,), target) for source, target in itertools.product(FROM, TO)] + [
    (sources, target) for sources, target in itertools.product(SEVERAL, TO)
]

MADE_IN_THE_GROUP = {
    (("file",), "missing/"): {"missing/file": b"new file"},
    (("file", "other"), "missing/"): {"missing/file": b"new file", "missing/other": b"other"},
    (("tree", "file"), "missing/"): {
        "missing/tree/x": b"new x",
        "missing/tree/deep/y": b"new y",
        "missing/file": b"new file",
    },
    (("tree/", "other"), "missing/"): {
        "missing/tree/x": b"new x",
        "missing/tree/deep/y": b"new y",
        "missing/other": b"other",
    },
}
"""Where the group differs: a directory written with a slash is made there. cp refuses these."""


def by_cp(directory: Path, sources: tuple[str, ...], target: str) -> tuple[bool, dict[str, bytes]]:
    """Whether cp has done it, and what there is at the target then."""
    plant(directory / "from", SOURCES)
    plant(directory / "to", TARGETS)
    words = [*(f"from/{source}" for source in sources), f"to/{target}"]
    ran = subprocess.run(["cp", "-R", *words], cwd=directory, capture_output=True, check=False)
    return ran.returncode == 0, grown(directory / "to")


def remote(text: str) -> str:
    return f"phfs:///to/{text}"


@pytest.mark.parametrize(("sources", "target"), CASES)
async def test_into_the_group(tmp_path: Path, sources: tuple[str, ...], target: str) -> None:
    good, expected = by_cp(tmp_path / "cp", sources, target)
    if made := MADE_IN_THE_GROUP.get((sources, target)):
        assert not good, "cp does it now: the table is wrong"
        good, expected = True, {**expected, **made}
    store = await memory({f"to/{name}": data for name, data in TARGETS.items()})
    plant(tmp_path / "from", SOURCES)
    copying = Copying(store)
    places = [f"{tmp_path}/from/{source}" for source in sources]
    await copying.cp(*places, remote(target).removesuffix("/."), recursive=True)
    assert (not copying.errors(), held(store)) == (
        good,
        {f"to/{name}": data for name, data in expected.items()},
    )


@pytest.mark.parametrize(("sources", "target"), CASES)
async def test_out_of_the_group(tmp_path: Path, sources: tuple[str, ...], target: str) -> None:
    good, expected = by_cp(tmp_path / "cp", sources, target)
    store = await memory({f"from/{name}": data for name, data in SOURCES.items()})
    copying = Copying(store)
    to = plant(tmp_path / "to", TARGETS)
    places = [f"phfs:///from/{source}" for source in sources]
    await copying.cp(*places, f"{to}/{target}", recursive=True)
    assert (not copying.errors(), grown(to)) == (good, expected)


@pytest.mark.parametrize(("sources", "target"), CASES)
async def test_inside_the_group(tmp_path: Path, sources: tuple[str, ...], target: str) -> None:
    good, expected = by_cp(tmp_path / "cp", sources, target)
    if made := MADE_IN_THE_GROUP.get((sources, target)):
        good, expected = True, {**expected, **made}
    objects = {f"from/{name}": data for name, data in SOURCES.items()}
    store = await memory({**objects, **{f"to/{name}": data for name, data in TARGETS.items()}})
    copying = Copying(store)
    places = [f"phfs:///from/{source}" for source in sources]
    await copying.cp(*places, remote(target).removesuffix("/."), recursive=True)
    assert (not copying.errors(), held(store)) == (
        good,
        {**objects, **{f"to/{name}": data for name, data in expected.items()}},
    )


@pytest.mark.parametrize(
    "words", [("a", "b"), ("-", "b"), ("a", "-"), ("-", "a", "phfs:///"), ("-", "-")]
)
async def test_what_has_no_side_in_the_group_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        await Copying(await memory()).cp(*words)


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("phfs:///a", "phfs:///a", "are the same"),
        ("phfs:///d", "phfs:///d", "into itself"),
        ("phfs:///d", "phfs:///d/e/f", "into itself"),
        ("phfs:///", "phfs:///new", "into itself"),
    ],
)
async def test_nothing_goes_into_itself(source: str, target: str, told: str) -> None:
    store = await memory({"a": b"1", "d/x": b"2"})
    copying = Copying(store)
    await copying.cp(source, target, recursive=True)
    assert [told in error.why for error in copying.errors()] == [True]
    assert held(store) == {"a": b"1", "d/x": b"2"}


async def test_a_directory_is_refused_by_name_without_r(tmp_path: Path) -> None:
    store = await memory({"d/x": b"1", "f": b"2"})
    copying = Copying(store)
    await copying.cp("phfs:///d", "phfs:///f", tmp_path)
    assert [error.why for error in copying.errors()] == [
        "phfs:///d is a directory: give -r to copy all that is in it."
    ]
    assert grown(tmp_path) == {"f": b"2"}, "the others go on"


async def test_two_sources_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    plant(tmp_path, {"a/x": b"1", "b/x": b"2"})
    store = await memory({"d/old": b""})
    copying = Copying(store)
    await copying.cp(tmp_path / "a/x", tmp_path / "b/x", "phfs:///d")
    assert len(copying.errors()) == 1
    assert held(store) == {"d/old": b"", "d/x": b"1"}


@pytest.mark.parametrize(("several", "twice"), [(("d/.", "d2/."), "f"), (("d", "d2/d"), "d/f")])
async def test_directories_of_one_name_come_together(
    tmp_path: Path, several: tuple[str, str], twice: str
) -> None:
    files = {"d/f": b"1", "d/x": b"1", "d2/f": b"2", "d2/d/f": b"2", "d2/d/z": b"2"}
    plant(tmp_path / "cp", {**files, "to/": b""})
    words = ["cp", "-R", *several, "to"]
    subprocess.run(words, cwd=tmp_path / "cp", capture_output=True, check=False)
    by_cp = grown(tmp_path / "cp/to")
    # Of two files of one name cp takes the last without a word, unless both are named.
    assert by_cp[twice] == b"2"
    expected = {f"to/{name}": data for name, data in {**by_cp, twice: b"1"}.items()}
    plant(tmp_path, files)
    store = await memory({"to/": b""})
    copying = Copying(store)
    await copying.cp(*(f"{tmp_path}/{each}" for each in several), "phfs:///to", recursive=True)
    assert held(store) == {"to/": b"", **expected}
    assert len(copying.errors()) == 1, f"{twice} is there twice"
    store = await memory({f"s/{name}": data for name, data in files.items()})
    (tmp_path / "to").mkdir()
    copying = Copying(store)
    await copying.cp(*(f"phfs:///s/{each}" for each in several), tmp_path / "to", recursive=True)
    assert {f"to/{name}": data for name, data in grown(tmp_path / "to").items()} == expected
    assert len(copying.errors()) == 1


async def test_sources_that_overlap_do_not_overwrite_each_other(tmp_path: Path) -> None:
    plant(tmp_path, {"X/sub/f": b"1", "Y/sub/f": b"2", "Y/sub/g": b"2", "Z/sub": b"3"})
    store = await memory({"ov/": b""})
    copying = Copying(store)
    sources = (f"{tmp_path}/X/.", tmp_path / "Y/sub", tmp_path / "Z/sub")
    await copying.cp(*sources, "phfs:///ov/", recursive=True)
    assert held(store) == {"ov/": b"", "ov/sub/f": b"1", "ov/sub/g": b"2"}
    assert len(copying.errors()) == 2


@pytest.mark.parametrize("target", ["phfs:///a/b", "phfs:///a/b/", "phfs:///a/b/c"])
async def test_nothing_is_put_below_a_file(tmp_path: Path, target: str) -> None:
    plant(tmp_path, {"f": b"1", "d/x": b"1"})
    store = await memory({"a": b"2", "s/x": b"3"})
    for source in (tmp_path / "f", tmp_path / "d", "phfs:///s"):
        with pytest.raises(NotDirectory) as raised:
            await Copying(store).cp(source, target, recursive=True)
        assert "phfs:///a is a file" in raised.value.why
    assert held(store) == {"a": b"2", "s/x": b"3"}


async def test_an_empty_directory_hides_no_file_and_may_be_there(tmp_path: Path) -> None:
    plant(tmp_path, {"d/empty/": b"", "d/more/": b""})
    objects = {"u/empty": b"1", "u/more/x": b"2"}
    store = await memory({**objects, "s/empty/": b""})
    for source in (f"{tmp_path}/d/.", "phfs:///s/."):
        copying = Copying(store)
        await copying.cp(source, "phfs:///u", recursive=True)
        assert [type(error) for error in copying.errors()] == [NotDirectory]
        assert "u/empty/" not in held(store)
    for _ in range(2):
        copying = Copying(store)
        await copying.cp(f"{tmp_path}/d/.", "phfs:///new/", recursive=True)
        assert copying.errors() == []
    assert {"new/empty/", "new/more/"} <= held(store).keys()


async def test_what_no_file_can_stand_for_is_said(tmp_path: Path) -> None:
    store = await memory({"s/a": b"1", "s/a/x": b"2", "s/b\n": b"3"})
    copying = Copying(store)
    await copying.cp("phfs:///s", tmp_path, recursive=True)
    assert len(copying.errors()) == 2
    assert grown(tmp_path) == {"s/a/x": b"2"}
