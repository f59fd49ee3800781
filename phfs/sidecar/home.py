"""The directory people begin in, and the links in it: a home, a job's or an app's directory.

Owns the names of links and which of two wants one name. Pure. Called by ``plan``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from phfs.sidecar import pieces
from phfs.sidecar.document import Document
from phfs.sidecar.pieces import GID, UID, Pieces, linked
from phfs.sidecar.places import Place
from phfs.sidecar.steps import MakeDirectory, MakeLink

JOVYAN = "/home/jovyan"


class Wish(NamedTuple):
    """A link somebody wants in the home directory; ``volume`` is what it leads to."""

    name: str
    target: str
    volume: str


@dataclass(kw_only=True)
class Home:
    """``place`` is None where there is none. ``taken``: names that no link may have."""

    place: Place | None
    why: str = ""
    """Instead of the answer's, if there is more to say."""
    pieces: Pieces = field(default_factory=Pieces)
    notes: list[str] = field(default_factory=list)
    taken: dict[str, str] = field(default_factory=dict)

    @property
    def is_in_group_volume(self) -> bool:
        """Whether it is a directory of the launch group's volume."""
        return self.place is not None and self.place.path.startswith("/project/")


def home_of(document: Document, group_directory: str | None) -> Home:
    """``group_directory``: the launch group's, if its volume is in the pod."""
    what = document.what
    if what.kind == "deployment":
        return Home(place=None)
    if what.kind == "app":
        return _app(what.name or "", group_directory)
    place = Place(JOVYAN, "home")
    if what.kind == "job" or (what.home_claim is None and not what.safe_mode):
        home = _empty(place)
    elif what.safe_mode:
        home = _empty(place)
        home.why = "An empty directory, as it is in safe mode."
        home.taken["user"] = "the user's volume"
    else:
        assert what.home_claim is not None
        return Home(
            place=place, pieces=pieces.claimed("home", "user", what.home_claim, place, "home")
        )
    if what.kind == "notebook" and what.home_claim is None:
        home.why = home.why or "An empty directory: no volume of the user's is named."
        home.notes.append(
            "There is no what.homeClaim: what is written to the home directory is lost at the end."
        )
    elif what.home_claim is not None:
        user = Place(f"{JOVYAN}/user", "home/user")
        home.pieces.add(pieces.claimed("home", "user", what.home_claim, user, "home"))
        home.notes.append(f"Safe mode: the user's volume is at {user.path}, the rest is empty.")
    return home


def _empty(place: Place) -> Home:
    why = "An empty directory of the user's."
    return Home(
        place=place, pieces=pieces.directory(place, "home", why, owned=True, read_only=False)
    )


def _app(name: str, group_directory: str | None) -> Home:
    if group_directory is None:
        return _empty(Place(f"/phapplications/{name}", "app"))
    below = f"project/{group_directory}"
    place = Place(f"/{below}/phapplications/{name}", f"{below}/phapplications/{name}")
    make = MakeDirectory(
        volume="home",
        after=(below,),
        path=place.tree,
        uid=UID,
        gid=GID,
        mode=0o755,
        why="The app keeps its files in its group's volume.",
    )
    return Home(place=place, why="An app works in its group's volume.", pieces=Pieces(steps=[make]))


def links(
    home: Home, wishes: Sequence[Wish]
) -> tuple[dict[str, list[MakeLink]], dict[str, list[str]]]:
    """Links by volume, and what is said of those that got none; earlier wishes go first."""
    made: dict[str, list[MakeLink]] = {}
    lost: dict[str, list[str]] = {}
    if home.place is None:
        return made, lost
    taken = dict(home.taken)
    for wish in wishes:
        path = f"{home.place.path}/{wish.name}"
        if path == wish.target:
            continue
        if wish.name in taken:
            lost.setdefault(wish.volume, []).append(
                f"There is no link {path}: the name belongs to {taken[wish.name]}."
            )
            continue
        taken[wish.name] = f"the link to {wish.target}"
        after = () if wish.volume == "home" else ("home",)
        link = linked(f"{home.place.tree}/{wish.name}", wish.target, wish.volume, after=after)
        made.setdefault(wish.volume, []).append(link)
    return made, lost
