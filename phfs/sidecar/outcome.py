"""What a volume that is kept in place reports, whatever kind it is. Pure.

Made by ``phfsmount`` and, of what the keepers of nfs and git say, by ``runner``.
"""

from __future__ import annotations

from dataclasses import dataclass

from phfs.errors import VolumeError


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``error``: why it is not in place, or why what is in place is not as it should be.

    ``revision``: a git volume's commit. ``notes`` are sentences.
    """

    in_place: bool
    error: VolumeError | None = None
    revision: str | None = None
    notes: tuple[str, ...] = ()
