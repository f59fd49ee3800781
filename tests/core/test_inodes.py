"""The inode table: one number per version, none forgotten too early, none kept too long."""

from __future__ import annotations

from phfs.core.inodes import NUMBERS, ROOT, Directory, File, InodeTable
from phfs.core.listing import Child, directory_child
from phfs.core.objects import ETag


def version(tag: str, seen: float = 1.0) -> Child:
    return Child(is_dir=False, size=4, etag=ETag(tag), mtime=9, seen=seen)


def new_file(table: InodeTable, name: str = "f", parent: Directory | None = None) -> File:
    inode = table.bind(parent or table.root, name, version("1"))
    assert isinstance(inode, File)
    inode.lookups += 1
    return inode


def new_directory(table: InodeTable, name: str, parent: Directory | None = None) -> Directory:
    inode = table.bind(parent or table.root, name, directory_child(1.0))
    assert isinstance(inode, Directory)
    inode.lookups += 1
    return inode


def test_the_root_is_always_there() -> None:
    table = InodeTable(7)
    table.forget(ROOT, 100)
    table.drop_unused(table.root)
    assert table.get(ROOT) is table.root
    assert (table.root.key, table.root.path, table.root.mtime) == ("", "/", 7)


def test_a_version_is_an_inode() -> None:
    table = InodeTable(0)
    first = new_file(table)
    assert table.bind(table.root, "f", version("1", 2.0)) is first
    assert first.seen == 2.0
    second = table.bind(table.root, "f", version("2", 3.0))
    assert second.number != first.number
    assert not first.linked
    assert (first.key, second.key) == ("f", "f")
    assert table.get(first.number) is first, "the kernel still holds it"


def test_a_version_has_its_number_again_after_it_was_forgotten() -> None:
    """A program that looks before and after sees one file, whatever the kernel forgot between."""
    table = InodeTable(0)
    top = new_directory(table, "d")
    file = new_file(table, "f", top)
    for inode in (file, top):
        table.forget(inode.number, 1)
    assert len(table) == 1
    again = new_directory(table, "d")
    assert again is not top
    assert (again.number, new_file(table, "f", again).number) == (top.number, file.number)


def test_numbers_differ() -> None:
    table = InodeTable(0)
    made = [table.bind(table.root, name, version(tag)) for name in ("f", "g") for tag in ("1", "2")]
    made.append(table.bind(table.root, "h", directory_child(1.0)))
    made.append(table.bind(table.root, "h", version("1", 2.0)))
    numbers = {inode.number for inode in made}
    assert len(numbers) == len(made)
    assert all(ROOT < number < NUMBERS for number in numbers)


def test_a_number_that_is_taken_is_not_given_twice() -> None:
    table = InodeTable(0)
    first = new_file(table)
    table.unlink(first)
    assert table.get(first.number) is first, "the kernel still holds it"
    second = new_file(table)
    assert second.number != first.number
    assert {table.get(first.number), table.get(second.number)} == {first, second}


def test_an_older_answer_does_not_replace_an_inode() -> None:
    table = InodeTable(0)
    first = new_file(table)
    first.seen = 5.0
    assert table.bind(table.root, "f", version("2", 4.0)) is first


def test_a_file_becomes_a_directory_and_back() -> None:
    table = InodeTable(0)
    file = new_file(table)
    directory = table.bind(table.root, "f", directory_child(2.0))
    assert isinstance(directory, Directory)
    assert directory.key == "f/"
    assert not file.linked
    again = table.bind(table.root, "f", version("1", 3.0))
    assert isinstance(again, File)
    assert table.get(directory.number) is None


def test_an_inode_goes_with_its_last_lookup() -> None:
    table = InodeTable(0)
    file = new_file(table)
    file.lookups += 2
    table.forget(file.number, 2)
    assert table.get(file.number) is file
    table.forget(file.number, 1)
    assert table.get(file.number) is None
    assert table.root.children == {}
    table.forget(file.number, 1)
    table.forget(12345, 1)
    assert len(table) == 1


def test_a_handle_keeps_an_inode() -> None:
    table = InodeTable(0)
    file = new_file(table)
    table.use(file)
    table.forget(file.number, 1)
    assert table.get(file.number) is file
    table.unlink(file)
    assert table.get(file.number) is file
    table.unuse(file)
    assert len(table) == 1


def test_a_directory_stays_while_something_hangs_in_it() -> None:
    table = InodeTable(0)
    outer = new_directory(table, "a")
    inner = new_directory(table, "b", outer)
    file = new_file(table, "f", inner)
    table.forget(outer.number, 1)
    table.forget(inner.number, 1)
    assert (file.key, file.path) == ("a/b/f", "/a/b/f")
    table.forget(file.number, 1)
    assert len(table) == 1


def test_what_is_beneath_an_unlinked_directory_keeps_its_key() -> None:
    table = InodeTable(0)
    outer = new_directory(table, "a")
    inner = new_directory(table, "b", outer)
    file = new_file(table, "f", inner)
    table.unlink(inner)
    assert (inner.key, file.key) == ("a/b/", "a/b/f")
    assert not inner.linked
    assert not file.linked
    assert outer.linked


def test_unlinking_the_last_child_lets_an_unused_directory_go() -> None:
    table = InodeTable(0)
    directory = new_directory(table, "a")
    file = new_file(table, "f", directory)
    table.forget(directory.number, 1)
    table.unlink(file)
    assert table.get(directory.number) is None
    table.forget(file.number, 1)
    assert len(table) == 1


def test_moving_takes_everything_beneath_along() -> None:
    table = InodeTable(0)
    source, target = new_directory(table, "s"), new_directory(table, "t")
    file = new_file(table, "f", source)
    table.move(source, target, "moved")
    assert (source.key, file.key) == ("t/moved/", "t/moved/f")
    assert set(table.root.children) == {"t"}


def test_moving_replaces_what_is_there_and_frees_what_was_left() -> None:
    table = InodeTable(0)
    old = new_directory(table, "old")
    file = new_file(table, "f", old)
    replaced = new_file(table, "g")
    table.forget(old.number, 1)
    table.move(file, table.root, "g")
    assert table.root.children == {"g": file}
    assert not replaced.linked
    assert table.get(old.number) is None


def test_a_move_to_the_same_place_changes_nothing() -> None:
    table = InodeTable(0)
    file = new_file(table)
    table.move(file, table.root, "f")
    assert table.root.children == {"f": file}
    assert file.linked


def test_what_the_writer_sees_differs_from_what_is_committed() -> None:
    table = InodeTable(0)
    unborn = table.bind(table.root, "n", version(""))
    assert isinstance(unborn, File)
    assert unborn.uncommitted
    file = new_file(table)
    assert (file.committed, file.uncommitted, file.length) == (True, False, 4)
    file.draft = 0
    assert (file.uncommitted, file.length) == (True, 0)
