"""Groups in memory and trees on disk for the tests of copying: small parts, so that few bytes are a
large file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from phfs.config import MountConfig, load
from phfs.core.objects import Attributes, UploadId
from phfs.errors import PhfsError
from phfs.files.group import Group
from phfs.files.mounted import NOWHERE, Views
from phfs.files.outcome import Action, Silent
from phfs.files.plan import Options
from phfs.files.transfer import copy
from phfs.files.within import given
from phfs.s3.journal import UploadJournal
from phfs.s3.memory import MemoryStore
from phfs.s3.resumable import Records
from phfs.s3.store import Store
from phfs.system.mounts import FSTYPE, Mount

PART = 1000
"""Bytes of a part here."""

LARGE = bytes(range(256)) * 77 + b"end"
"""Of ``PARTS`` parts: more than are sent at once."""

PARTS = 20

ORIGIN = "a store s3://bucket/groups/g/"

CONFIG: MountConfig = load(
    {"bucket": "bucket", "mountpoint": "/", "group": "g"},
    {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
)


class Copying:
    """A group over ``store``, and what became of what was copied last."""

    def __init__(
        self,
        store: Store,
        state: Path | None = None,
        *,
        overwrite: bool = True,
        views: Views = NOWHERE,
    ) -> None:
        self.told = Silent()
        self.journal = None if state is None else UploadJournal(state, ORIGIN)
        records = None
        if self.journal is not None and state is not None:
            records = Records(state, ORIGIN, "", self.journal)
        self.group = Group(
            store, "", records, self.told, part_size=PART, overwrite=overwrite, views=views
        )

    async def cp(
        self, *places: str | Path, recursive: bool = False, follow: bool = False, dry: bool = False
    ) -> list[str]:
        """Copy the first places to the last; what was done, as ``action source target``."""
        self.told.outcomes.clear()
        self.told.said.clear()
        *sources, target = [given(str(place), CONFIG) for place in places]
        options = Options(recursive=recursive, follow=follow)
        try:
            await copy(self.group, sources, target, options, dry=dry)
        finally:
            self.close()
        return self.lines()

    def lines(self) -> list[str]:
        """What was done, in order of the words."""
        return sorted(f"{o.action} {o.source} {o.target}" for o in self.told.outcomes)

    def errors(self) -> list[PhfsError]:
        """What failed, by why."""
        return [o.error for o in self.told.outcomes if o.action is Action.FAIL and o.error]

    def close(self) -> None:
        """Let go of the journal."""
        if self.journal is not None:
            self.journal.close()
            self.journal = None


def shown_at(directory: Path, source: str = "s3://bucket/groups/g/") -> Views:
    """A machine on which a mount shows ``source`` at a directory."""
    mounts = [
        Mount(1, "ext4", Path("/"), "/dev/sda1", read_only=False),
        Mount(2, FSTYPE, directory, source, read_only=False),
    ]
    return Views(CONFIG.bucket, CONFIG.prefix, lambda: mounts)


async def memory(
    objects: Mapping[str, bytes] | None = None, clock: Callable[[], float] = lambda: 1e9
) -> MemoryStore:
    """A store with these objects, the large ones made of parts."""
    store = MemoryStore(clock, min_part=1)
    for key, data in (objects or {}).items():
        if len(data) <= PART:
            await store.put(key, [data], Attributes())
            continue
        upload: UploadId = await store.create_upload(key, Attributes())
        pieces = [data[start : start + PART] for start in range(0, len(data), PART)]
        parts = [
            await store.put_part(key, upload, number, [piece])
            for number, piece in enumerate(pieces, start=1)
        ]
        await store.complete_upload(key, upload, parts)
    return store


def held(store: MemoryStore) -> dict[str, bytes]:
    """The objects of a store."""
    return {key: found.data for key, found in store.objects.items()}


def plant(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a directory; a name that ends with a slash is an empty directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = directory / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory


def grown(directory: Path) -> dict[str, bytes]:
    """All files below a directory by their paths in it, and its empty directories."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_file():
            found[name] = path.read_bytes()
        elif path.is_dir() and not any(path.iterdir()):
            found[f"{name}/"] = b""
    return found
