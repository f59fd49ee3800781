"""The place of the bench's own store: what is removed does not stay in memory."""

from __future__ import annotations

from pathlib import Path

from bench.world import EmptiedPlace
from phfs.bench.floor import Floor


class Deleting(Floor):
    """A floor that puts what is deleted into the trash, as MinIO does."""

    def __init__(self, trash: Path, prefix: str = "") -> None:
        super().__init__(None, "bucket", prefix)
        self.trash = trash

    def below(self, name: str) -> Deleting:
        return Deleting(self.trash, f"{self._prefix}{name}/")

    def delete_below(self, name: str) -> None:
        removed = self.trash / f"removed-{self._prefix}{name}".replace("/", "-") / "part.1"
        removed.parent.mkdir()
        removed.write_bytes(bytes(100))


def test_what_is_removed_is_not_kept_in_the_trash(tmp_path: Path) -> None:
    place = EmptiedPlace(Deleting(tmp_path), tmp_path)
    place.remove()
    assert list(tmp_path.iterdir()) == []
    place.below("write-seq-1").remove("own-0-1")
    assert list(tmp_path.iterdir()) == []
