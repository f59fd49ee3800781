"""What stands behind ``-o``: options by their names, words of mount(8), and what is refused."""

from __future__ import annotations

import pytest

from phfs.cli.mount_options import place_of, texts_of
from phfs.commandline import UsageError
from phfs.config.mount import OPTIONS
from phfs.config.option import option_of


def test_options_have_the_names_they_have_in_a_file() -> None:
    assert texts_of(["metadata_ttl=1,part_size=16", "region=eu"]) == {
        "metadata_ttl": "1",
        "part_size": "16",
        "region": "eu",
    }
    assert texts_of(["config=/etc/phfs/other.toml"]) == {"config": "/etc/phfs/other.toml"}
    assert texts_of(['prefix="a,b/",uid=1']) == {"prefix": "a,b/", "uid": "1"}
    assert texts_of(["timeout=1,timeout=2"]) == {"timeout": "2"}


def test_a_switch_needs_no_value() -> None:
    assert texts_of(["read_only,allow_other,supervise=off"]) == {
        "read_only": "on",
        "allow_other": "on",
        "supervise": "off",
    }


def test_words_of_mount() -> None:
    """What comes from mount(8) for a line with `user`, and what people write beside it."""
    line = "rw,noexec,nosuid,nodev,_netdev,user=me,nofail,noauto,defaults,x-systemd.automount"
    assert texts_of([line + ",X-mount.mkdir=0755,dev,suid,noatime,comment=mine"]) == {
        "noexec": "on"
    }
    assert texts_of(["ro"]) == {"read_only": "on"}
    # With a value it is PHFS's, without one mount(8)'s.
    assert texts_of(["group,group=research"]) == {"group": "research"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("metadata-ttl=1", "There is no mount option metadata-ttl; is metadata_ttl meant?"),
        ("gruop=a", "There is no mount option gruop; is group meant?"),
        ("nofial", "There is no mount option nofial; is nofail meant?"),
        ("zzz=private", "There is no mount option zzz."),
        ("sync", "There is no mount option sync; is async meant?"),
        ("metadata_ttl", "metadata_ttl behind -o needs a value: give a number of seconds"),
        ("config", "config behind -o needs a value: give the path of a file"),
        ("bucket=b", "bucket is no option behind -o: it is the source"),
        ("mountpoint=/m", "mountpoint is no option behind -o: it is the directory"),
        ("foreground", "foreground is no option behind -o: whoever calls mount would wait"),
        ("ro=private", "ro behind -o takes no value: give ro, or leave it out."),
        ("=x", "'=x' behind -o has no name in front: give NAME=VALUE."),
        ("config=", "config behind -o needs a value: give the path of a file"),
        ("remount,ro", "A mount cannot be changed while it is there"),
    ],
)
def test_what_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        texts_of([text])
    assert str(refused.value).startswith(sentence)
    assert "private" not in str(refused.value)


def test_keys_are_refused_and_not_repeated() -> None:
    for row in OPTIONS:
        if option_of(row).secret:
            with pytest.raises(UsageError, match="everybody on the machine can read it") as refused:
                texts_of([f"{row.name}=hunter2"])
            assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "bucket", "prefix"),
    [
        ("my-bucket", "my-bucket", None),
        ("s3://my-bucket", "my-bucket", None),
        ("s3://my-bucket/", "my-bucket", None),
        ("s3://my-bucket/groups/a/", "my-bucket", "groups/a/"),
        ("s3://my-bucket/groups/a b", "my-bucket", "groups/a b"),
    ],
)
def test_what_a_source_names(source: str, bucket: str, prefix: str | None) -> None:
    assert place_of(source) == (bucket, prefix)
