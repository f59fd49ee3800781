"""One node for the tests of pods: a containerd, a kubelet, and the product's image in them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.pods.node import Node
from tests.support.containerd import Containerd
from tests.support.image import Image
from tests.support.kubelet import Kubelet


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A directory with a short path: sockets are in it."""
    directory = Path(tempfile.mkdtemp(prefix="phfs-pods-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def kubelet(image: Image, place: Path) -> Iterator[Kubelet]:
    with ExitStack() as cleaning:
        containerd = Containerd(place / "containerd")
        cleaning.callback(containerd.close)
        containerd.load(image.archive)
        made = Kubelet(place / "kubelet", containerd)
        cleaning.callback(made.close)
        yield made


@pytest.fixture(scope="session")
def node(image: Image, place: Path) -> Iterator[Node]:
    directory = place / "node"
    directory.mkdir()
    made = Node(directory, image.name)
    yield made
    made.close()
