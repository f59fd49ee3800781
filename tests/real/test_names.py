"""Names of every kind: what is a name is a key letter by letter, what is none is refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.conftest import mounting
from tests.support.minio import MinioServer
from tests.support.mounted import Mounted

pytestmark = pytest.mark.real

NAMES = {
    "space": "with space",
    "outer spaces": " outer ",
    "quotes": "'single' \"double\" `back`",
    "percent": "100%",
    "escaped": "a%2Fb%20c%00",
    "plus": "a+b",
    "url": "a&b=c?d#e;f@g:h,i$j!",
    "glob": "*[x]{y}~",
    "backslash": "back\\slash",
    "markup": "<a>&amp;",
    "leading dash": "-rf",
    "hidden": ".hidden",
    "dots": "...",
    "composed": "caf\u00e9",
    "decomposed": "cafe\u0301",
    "chinese": "数据",
    "emoji": "🚀👩‍🔬",
    "right to left": "שלום",
    "255 letters": "x" * 255,
    "255 bytes": "é" * 127 + "x",
}

REFUSED = {
    "256 letters": (b"x" * 256, errno.ENAMETOOLONG),
    "256 bytes": ("é".encode() * 128, errno.ENAMETOOLONG),
    "not UTF-8": (b"caf\xe9", errno.EILSEQ),
    "surrogate": (b"\xed\xa0\x80", errno.EILSEQ),
    "line break": (b"a\nb", errno.EINVAL),
    "tab": (b"a\tb", errno.EINVAL),
    "delete": (b"a\x7fb", errno.EINVAL),
    "escape": (b"\x1b[2J", errno.EINVAL),
}


@pytest.fixture(scope="module")
def mount_unmarked(
    minio: MinioServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mounted]:
    """MinIO has no room in its own file names for the marker of a directory with 255 bytes."""
    for mount_with in mounting(minio, tmp_path_factory.mktemp("names")):
        yield mount_with("--dir-markers=off", "--metadata-ttl=0")


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_a_key(name: str, mounted: Mounted, tmp_path: Path) -> None:
    directory = mounted.path / tmp_path.name
    directory.mkdir()
    (directory / name).write_bytes(b"inside")
    key = f"{tmp_path.name}/{name}"
    assert mounted.get(key) == b"inside"
    assert os.listdir(directory) == [name]
    mounted.put(key, b"from outside")
    assert (directory / name).read_bytes() == b"from outside"
    (directory / name).rename(directory / "other")
    assert mounted.get(f"{tmp_path.name}/other") == b"from outside"
    (directory / "other").rename(directory / name)
    assert os.listdir(directory) == [name]
    (directory / name).unlink()
    assert mounted.keys(key) == []


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_a_directory(name: str, mount_unmarked: Mounted, tmp_path: Path) -> None:
    directory = mount_unmarked.path / tmp_path.name / name
    directory.mkdir(parents=True)
    (directory / "below").touch()
    assert mount_unmarked.keys(f"{tmp_path.name}/") == [f"{tmp_path.name}/{name}/below"]
    directory.rename(directory.parent / "other")
    assert os.listdir(directory.parent) == ["other"]
    (directory.parent / "other").rename(directory)
    assert os.listdir(directory) == ["below"]


def test_what_only_the_store_refuses_is_explained(mounted: Mounted) -> None:
    with pytest.raises(OSError, match="Invalid argument"):  # MinIO adds to a marker's name
        (mounted.path / ("d" * 255)).mkdir()
    newest = mounted.errors()[0]
    assert (newest["operation"], newest["errno"]) == ("mkdir", "EINVAL")
    assert newest["why"]
    assert newest["advice"] == "Choose another name."


def test_names_that_look_alike_are_two(mounted: Mounted) -> None:
    directory = mounted.path / "alike"
    directory.mkdir()
    for name in ("caf\u00e9", "cafe\u0301", "CAFÉ"):
        (directory / name).write_text(ascii(name))
    assert {path.name: path.read_text() for path in directory.iterdir()} == {
        name: ascii(name) for name in ("caf\u00e9", "cafe\u0301", "CAFÉ")
    }


@pytest.mark.parametrize(("name", "number"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_name_is_refused(name: bytes, number: int, mounted: Mounted) -> None:
    path = os.fsencode(mounted.path) + b"/" + name
    taken = mounted.path / "taken"
    taken.touch()
    attempts: tuple[Callable[[], object], ...] = (
        lambda: os.open(path, os.O_CREAT | os.O_WRONLY),
        lambda: os.mkdir(path),
        lambda: os.rename(os.fsencode(taken), path),
    )
    for attempt in attempts:
        with pytest.raises(OSError, match=os.strerror(number)) as refused:
            attempt()
        assert refused.value.errno == number
    assert taken.exists()
    assert not os.path.lexists(path)


def test_a_key_has_1024_bytes(mounted: Mounted) -> None:
    room = 1024 - len(mounted.prefix)
    directory = mounted.path
    while room > 256:
        directory /= "d" * 200
        directory.mkdir()
        room -= 201
    longest = directory / ("x" * (room - 1))
    longest.write_bytes(b"fits")
    assert mounted.get(str(longest.relative_to(mounted.path))) == b"fits"
    with pytest.raises(OSError, match="File name too long"):
        (directory / ("x" * (room + 1))).touch()
    with pytest.raises(OSError, match="File name too long"):
        longest.rename(directory / ("x" * (room + 1)))
    with pytest.raises(OSError, match="File name too long"):
        (directory / ("x" * room)).mkdir()
    assert longest.exists()
