"""What a mount's process is told of its own beginning by the process that started it.

No option of the user's: ``cli`` makes it, ``mount`` reads it.
"""

from __future__ import annotations

from typing import NamedTuple

from phfs.errors import MountError


class Start(NamedTuple):
    """A beginning: the first one, alone, unless told otherwise."""

    device: int | None = None
    """A descriptor of /dev/fuse that another process has mounted and will unmount."""
    supervisor: int | None = None
    """The process that watches over this one."""
    crashes: tuple[MountError, ...] = ()
    """How the processes that served the mount before have died, the last one last; of many only
    the last are kept."""
    deaths: int = 0
    """How often the mount's process has died, those of ``crashes`` included."""

    @property
    def again(self) -> bool:
        """Whether the mount was good before: then it is served even if the store is not there."""
        return bool(self.crashes)
