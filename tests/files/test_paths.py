"""How a person may name a place in the group, and what is refused in a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from phfs.config import MountConfig, load
from phfs.errors import ConfigError
from phfs.files.paths import Remote, key_of, place_of, remote_of


@pytest.fixture
def config(tmp_path: Path) -> MountConfig:
    given = {"bucket": "my-bucket", "group": "My_Group", "mountpoint": "/", "state_dir": tmp_path}
    return load({name: str(value) for name, value in given.items()}, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Remote("", slash=True)),
        ("/", Remote("", slash=True)),
        ("a", Remote("a")),
        ("/a/b", Remote("a/b")),
        ("a/b/", Remote("a/b", slash=True)),
        ("phfs:///", Remote("", slash=True)),
        ("phfs:///models/x", Remote("models/x")),
        ("PHFS:///models/x/", Remote("models/x", slash=True)),
        ("s3://my-bucket/groups/my-group", Remote("", slash=True)),
        ("s3://my-bucket/groups/my-group/", Remote("", slash=True)),
        ("s3://my-bucket/groups/my-group/ä b.csv", Remote("ä b.csv")),
    ],
)
def test_a_place_in_the_group(text: str, expected: Remote, config: MountConfig) -> None:
    assert remote_of(text, config) == expected


@pytest.mark.parametrize("text", ["a", "/phfs/a", "./a/../b", "c:a", "a//b"])
def test_what_is_written_without_a_scheme_may_be_on_this_machine(
    text: str, config: MountConfig
) -> None:
    assert place_of(text, config) == Path(text)


def test_an_address_is_in_the_group_wherever_it_stands(config: MountConfig) -> None:
    assert place_of("phfs:///a/", config) == Remote("a", slash=True)
    assert place_of("s3://my-bucket/groups/my-group/a", config) == Remote("a")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("phfs://a", "three slashes, as in phfs:///a"),
        ("phfs:a/b", "three slashes, as in phfs:///a/b"),
        ("phfs:////a", "two slashes"),
        ("a//b", "two slashes"),
        ("//a", "two slashes"),
        ("a/../b", "'..' in it"),
        ("./a", "'.' in it"),
        ("a\nb", "all of them printable"),
        ("n" * 256, "255 bytes"),
        ("/".join(["n" * 200] * 6), "more than 1024 bytes"),
        ("s3://other/groups/my-group/a", "is not in s3://my-bucket/groups/my-group/"),
        ("s3://my-bucket/groups/my-group2/a", "is not in s3://my-bucket/groups/my-group/"),
        ("s3://my-bucket/groups/my-grou", "is not in s3://my-bucket/groups/my-group/"),
    ],
)
def test_a_place_that_cannot_be_is_refused_in_one_sentence(
    text: str, part: str, config: MountConfig
) -> None:
    with pytest.raises(ConfigError) as caught:
        remote_of(text, config)
    assert part in caught.value.why
    assert repr(text) in caught.value.why


def test_an_empty_path_on_this_machine_is_refused(config: MountConfig) -> None:
    with pytest.raises(ConfigError, match="path is empty"):
        place_of("", config)


def test_a_place_and_its_keys(config: MountConfig) -> None:
    place = Remote("a/b")
    assert str(place) == "phfs:///a/b"
    assert (place.prefix, place.child("c")) == ("a/b/", Remote("a/b/c"))
    assert (Remote("").prefix, Remote("").child("c")) == ("", Remote("c"))
    assert key_of(place, config) == "groups/my-group/a/b"
