"""What a Dataset says, and what is wrong with one that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from phfs.sidecar import repository
from phfs.sidecar.dataset import (
    Claim,
    Clone,
    DataVolume,
    Export,
    HostDirectory,
    Variables,
    volume_of,
)
from tests.sidecar.documents import SECRET, dataset, loaded, raw


def of(kind: str, annotations: dict[str, str] | None = None, **spec: Any) -> DataVolume:
    return volume_of(loaded(raw(data=[dataset("v", kind, annotations, **spec)])).data[0])


def test_sources() -> None:
    assert of("pv").source == Claim("dataset-v")
    assert of("pv", volumeName="other").source == Claim("dataset-other")
    assert of("hostPath", hostPath={"path": "/mnt/x/"}).source == HostDirectory("/mnt/x")
    assert of("hostPath", hostPath={"path": "/"}).source == HostDirectory("/")
    assert of("nfs", nfs={"server": "[fe80::1]", "path": "/a b"}).source == Export(
        "[fe80::1]", "/a b"
    )
    assert of("env", variables=None).source == Variables({})
    source = of("git", url="git@host:team/x.git#v1.0", gitsync={"secret": "key"}).source
    assert isinstance(source, Clone)
    assert (source.repository.reference, source.secret) == ("v1.0", "key")


def test_defaults() -> None:
    volume = of("pv")
    assert (volume.root, volume.launch_group_only, volume.home_link) == ("/datasets", False, False)


@pytest.mark.parametrize(
    ("text", "root"),
    [("/datasets/", "/datasets"), ("/mnt", "/mnt"), ("//m//x/", "/m/x"), ("/", ""),
     ("", "/datasets")],
)  # fmt: skip
def test_mount_roots(text: str, root: str) -> None:
    assert of("pv", {"mountRoot": text}).root == root


@pytest.mark.parametrize(
    ("annotations", "spec", "wrong"),
    [
        ({"mountRoot": "mnt"}, {}, "mountRoot"),
        ({"mountRoot": "/mnt/../etc"}, {}, "mountRoot"),
        ({"mountRoot": "/mnt/.."}, {}, "mountRoot"),
        ({"mountRoot": "/mnt/a b"}, {}, "mountRoot"),
        ({"mountRoot": "/mnt\n"}, {}, "mountRoot"),
        ({"mountRoot": "/mnt:x"}, {}, "mountRoot"),
        ({"mountRoot": "/" + "x" * 300}, {}, "mountRoot"),
        ({"homeSymlink": "yes"}, {}, "homeSymlink"),
        ({"launchGroupOnly": "1"}, {}, "launchGroupOnly"),
        ({}, {"volumeName": "../x"}, "spec.volumeName"),
        ({}, {"type": "hostPath", "hostPath": {"path": "x"}}, "spec.hostPath.path"),
        ({}, {"type": "hostPath", "hostPath": {"path": "/a/../b"}}, "spec.hostPath.path"),
        ({}, {"type": "hostPath", "hostPath": {"path": "/a\0"}}, "spec.hostPath.path"),
        ({}, {"type": "nfs", "nfs": {"server": "-o", "path": "/x"}}, "spec.nfs.server"),
        ({}, {"type": "nfs", "nfs": {"server": "a,b", "path": "/x"}}, "spec.nfs.server"),
        ({}, {"type": "nfs", "nfs": {"server": "a", "path": "x"}}, "spec.nfs.path"),
        (
            {},
            {"type": "nfs", "nfs": {"server": "-o"}},
            "spec.nfs.server is no host name or address, and spec.nfs.path is missing",
        ),
        ({}, {"type": "git", "url": "https://h/x", "gitsync": {"secret": "../x"}}, "spec.gitsync"),
        ({}, {"type": "git", "url": "ext::sh -c x"}, "spec.url"),
        ({}, {"type": "glusterfs"}, "spec.type"),
    ],
)
def test_what_is_wrong_is_named(
    annotations: dict[str, str], spec: dict[str, Any], wrong: str
) -> None:
    volume = of("pv", annotations, **spec)
    assert wrong in volume.wrong
    assert volume.source is None


def test_what_cannot_be_read_opens_nothing() -> None:
    assert of("pv", {"launchGroupOnly": "nope"}).launch_group_only


TOKEN_URLS = {
    f"https://bob:{SECRET}@git.example/x.git": "https://git.example/x.git",
    f"https://{SECRET}@git.example:8443/x": "https://git.example:8443/x",
    f"https://git.example/x?private_token={SECRET}": "https://git.example/x?…",
    f"http://u:{SECRET}@[::1]/x": "http://[::1]/x",
    f"{SECRET}@git.example:x/y.git": "git.example:x/y.git",
    "ssh://git@git.example:22/x": "ssh://git.example:22/x",
    "git://127.0.0.1:9418/x": "git://127.0.0.1:9418/x",
}


@pytest.mark.parametrize("url", TOKEN_URLS)
def test_a_url_is_shown_without_its_secrets(url: str) -> None:
    found = repository.parse(f"{url}#main")
    assert (found.url, found.shown, found.reference) == (url, TOKEN_URLS[url], "main")
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch /x'",
        "file:///etc",
        "/etc",
        "../x",
        "--upload-pack=x",
        "-x@h:y",
        "ssh://-oProxyCommand=x/y",
        "ssh://-x@h/y",
        "https:///x",
        "https://h:99999/x",
        "https://[::1/x",
        "https://h/x y",
        "https://h/x\n",
        "https://h/x#--upload-pack=x",
        "https://h/x#a..b",
        "https://h/x#",
        "https://h/x#a b",
        "https://h/x#refs/",
        f"ftp://u:{SECRET}@h/x",
        f"u:{SECRET}@h",
    ],
)
def test_urls_that_are_not_cloned(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL") as caught:
        repository.parse(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
