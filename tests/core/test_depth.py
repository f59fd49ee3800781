"""Trees as deep as a key allows: nothing here calls itself once per level."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import pytest

from phfs.core.inodes import Directory, InodeTable
from phfs.core.listing import directory_child

DEPTH = 512
"""Levels of names of one letter in a key of 1024 bytes."""


@pytest.fixture
def _few_frames() -> Iterator[None]:
    """As if the caller were deep in the stack already."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("_few_frames")
def test_the_deepest_inode() -> None:
    table = InodeTable(0)
    inode = table.root
    for _ in range(DEPTH):
        below = table.bind(inode, "a", directory_child(0.0))
        assert isinstance(below, Directory)
        inode = below
    assert inode.key == "a/" * DEPTH
    assert inode.path == "/" + ("a/" * DEPTH).removesuffix("/")
    assert inode.linked
    table.drop_unused(inode)
    assert len(table) == 1
