"""What a person is told of a removal, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from phfs.cli.commands.files import FAMILY
from phfs.cli.explaining import Named
from phfs.cli.removal import Wish, carry_out, check, look, tell
from phfs.core.objects import Attributes, Page
from phfs.errors import ConfigError, ServerFault
from phfs.files.paths import Remote
from phfs.s3.memory import MemoryStore
from phfs.s3.store import DeleteFailure


def wish(*paths: str, **more: bool) -> Wish:
    return Wish([Named(path, Remote(path.strip("/"))) for path in paths], **more)  # type: ignore[arg-type]


async def store_of(*keys: str) -> MemoryStore:
    store = MemoryStore(lambda: 1e9)
    for key in keys:
        await store.put(key, [b"x"], Attributes())
    return store


async def test_nothing_goes_before_everything_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    store = await store_of("a", "d/b")
    assert await look(store, wish("a", "x", "d")) is None
    assert capsys.readouterr().err.splitlines() == [
        "phfs: There is no file or directory phfs:///x.",
        "phfs: phfs:///d is a directory. Give -r to remove it with all in it.",
        "phfs: Nothing was removed.",
    ]
    found = await look(store, wish("d", "a", "x", recursive=True, missing_is_fine=True))
    assert found is not None
    assert [(one.entry.path, one.objects) for one in found] == [("d", 1), ("a", 1)]
    assert set(store.objects) == {"a", "d/b"}


@pytest.mark.parametrize("text", ["", "/", "phfs:", "s3://bucket/groups/g/"])
def test_the_root_has_to_be_meant(text: str) -> None:
    with pytest.raises(ConfigError, match="is the root of the group"):
        check(Wish([Named(text, Remote(""))], recursive=True, sure=True))
    whole = Wish([Named("phfs:///", Remote(""))], recursive=True)
    with pytest.raises(ConfigError, match="Give --yes"):
        check(whole)
    whole.sure = True
    check(whole)


@pytest.mark.parametrize("text", ["phfs:///", "/", ".", "s3://b/groups/g/"])
def test_files_delete_never_takes_the_root(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--bucket", "b", "--group", "g", "--endpoint-url", "http://127.0.0.1:1"]
    assert FAMILY.main(["delete", text, "--recursive", *place]) == 2
    said = capsys.readouterr().err
    assert f"{text!r} is the root of the group" in said
    assert "nothing was removed" in said


async def test_what_a_file_hid_is_not_called_new(capsys: pytest.CaptureFixture[str]) -> None:
    """As on MinIO, which lists nothing below a file until it is gone."""

    class Hiding(MemoryStore):
        async def list_page(self, *given: object, **more: object) -> Page:
            page = await super().list_page(*given, **more)  # type: ignore[arg-type]
            files = {f"{key}/" for key in self.objects}
            shown = [it for it in page.objects if not any(it.key.startswith(f) for f in files)]
            return page._replace(objects=shown)

    store = Hiding(lambda: 1e9)
    for key in ("d/a", "d/a/y"):
        await store.put(key, [b"x"], Attributes())
    found = await look(store, wish("d", recursive=True))
    assert found is not None
    assert not tell(await carry_out(store, found))
    assert capsys.readouterr().err == (
        "phfs: phfs:///d/a/y stays: it was written after this began, or a file above it hid it "
        "until now.\n"
    )


async def test_what_was_done_before_a_failure_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    class Failing(MemoryStore):
        """Its listings fail when something has been deleted."""

        deleted = False

        async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
            self.deleted = True
            return await super().delete_many(keys)

        async def list_page(self, *given: object, **more: object):  # type: ignore[no-untyped-def]
            if self.deleted:
                raise ServerFault("gone")
            return await super().list_page(*given, **more)  # type: ignore[arg-type]

    store = Failing(lambda: 1e9)
    for number in range(3):
        await store.put(f"d/{number}", [b"x"], Attributes())
        await store.put(f"e/{number}", [b"x"], Attributes())
    found = await look(store, wish("d", "e", recursive=True))
    assert found is not None
    with pytest.raises((ServerFault, ExceptionGroup)):
        await carry_out(store, found)
    assert "phfs: It ended early: 3 of 6 objects were removed." in capsys.readouterr().err


async def test_what_stays_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    store = await store_of("d/a", "d")
    found = await look(store, wish("d", recursive=True))
    assert found is not None
    await store.put("d/new\u202e", [b"x"], Attributes())
    done = await carry_out(store, found)
    assert not tell(done)
    assert capsys.readouterr().err.splitlines() == [
        r"phfs: phfs:///d/new\u202e stays: it was written after this began.",
        "phfs: phfs:///d is a file now: the directory of the same name has hidden it.",
    ]
    assert done.values(dry_run=False) == {
        "dry_run": False,
        "objects": 1,
        "size": 1,
        "failed": [],
        "kept": ["/d/new\u202e"],
    }
