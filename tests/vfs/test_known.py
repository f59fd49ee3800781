"""What is remembered of names is bounded, and what nobody holds is let go."""

from __future__ import annotations

from phfs.core.inodes import Directory, InodeTable
from phfs.core.listing import Child, directory_child
from phfs.vfs.known import LEAST_SWEPT, MOST_NAMES, Known


def directory(inodes: InodeTable, name: str, *, held: bool) -> Directory:
    """A directory of the root, which the kernel holds or has forgotten."""
    inode = inodes.bind(inodes.root, name, directory_child(1.0))
    assert isinstance(inode, Directory)
    inode.lookups = 1
    if not held:
        inodes.forget(inode.number, 1)
    return inode


def names(count: int) -> dict[str, Child]:
    return {f"{number}": directory_child(1.0) for number in range(count)}


def test_directories_that_the_kernel_forgot_are_let_go() -> None:
    inodes, known = InodeTable(0), Known()
    kept = directory(inodes, "kept", held=True)
    known.remember(kept)
    for number in range(20 * LEAST_SWEPT):
        known.remember(directory(inodes, f"{number}", held=False))
    assert known.cached[0] <= LEAST_SWEPT + 1
    assert known.cached[0] == known.cached[1], "each is counted with its own name, none has others"
    kept.cache.merge(names(3), 2.0)
    known.remember(kept)
    assert known.cached[1] == known.cached[0] + 3


def test_of_directories_that_are_held_the_names_are_bounded() -> None:
    inodes, known = InodeTable(0), Known()
    share = MOST_NAMES // 3
    made = [directory(inodes, name, held=True) for name in "abcd"]
    for each in made:
        each.cache.merge(names(share), 2.0)
        known.remember(each)
    assert known.cached[1] <= MOST_NAMES
    assert [len(each.cache) for each in made] == [0, 0, share, share]
    made[0].cache.merge(names(2), 3.0)
    known.remember(made[0])
    assert known.cached == (3, 2 * share + 2 + 3)
