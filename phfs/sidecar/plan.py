"""A pod's whole plan, from its document: every volume with its answer, and what is to be done.

No I/O, no clock, no chance: one document has one plan, in whatever order its lists are. Called by
``commands``; applied by ``run``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from phfs.config import group_directory
from phfs.sidecar import pieces, variables
from phfs.sidecar.access import Answer, State, access, unknown_roles
from phfs.sidecar.dataset import Variables, volume_of
from phfs.sidecar.document import Document, PodKind
from phfs.sidecar.groups import group_volumes
from phfs.sidecar.home import Wish, home_of, links
from phfs.sidecar.pieces import GID, UID, Pieces, directory
from phfs.sidecar.places import Place, Places, settle
from phfs.sidecar.steps import Handed, Inside, PublishEnvironment, Step
from phfs.sidecar.variables import Variable

PUBLIC = Place("/run/phfs", "run")
"""Where the main container finds ``env.sh``, ``env.json`` and ``VOLUMES.txt``."""

FILES = (State.RW, State.RO)

CLONES = Place("/gitsync", "gitsync")


class Owner(NamedTuple):
    """Whose the files are."""

    uid: int = UID
    gid: int = GID


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One volume and its answer. ``id``: ``phfs``, ``home``, ``project/GROUP``, ``datasets/NAME``.

    ``path`` is where the main container sees it, ``""`` where it does not. ``wrong``: it is out
    because it is set up wrongly, which people must be told. ``notes`` are sentences.
    """

    id: str
    name: str
    kind: str
    state: State
    why: str
    path: str = ""
    wrong: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything. ``inside`` is in the order of mounting; ``notes`` are about no volume."""

    kind: PodKind
    user: str
    group: str
    owner: Owner
    volumes: tuple[Volume, ...]
    inside: tuple[Inside, ...]
    handed: tuple[Handed, ...]
    steps: tuple[Step, ...]
    environment: tuple[Variable, ...]
    notes: tuple[str, ...]


def plan(document: Document) -> Plan:
    """The plan of a checked document."""
    draft = _Draft(document)
    volumes = (draft.phfs(), draft.home_volume(), *draft.group_volumes(), *draft.data_volumes())
    parts = draft.parts
    return Plan(
        kind=document.what.kind,
        user=document.who.user,
        group=document.who.launch_group,
        owner=Owner(),
        volumes=volumes,
        inside=tuple(sorted(parts.inside, key=lambda one: (one.path.count("/"), one.path))),
        handed=tuple(parts.handed),
        steps=(*parts.tree, *parts.steps),
        environment=tuple(draft.environment),
        notes=tuple(draft.notes),
    )


class _Draft:
    """Decides first, all of it; then adds one volume after the other to ``parts``."""

    def __init__(self, document: Document) -> None:
        who = document.who
        self.document = document
        self.parts = Pieces()
        self.notes: list[str] = []
        self.data = {dataset.metadata.name: volume_of(dataset) for dataset in document.data}
        self.allowed = access(
            document.what.kind, who.launch_group, who.groups, list(self.data.values())
        )
        self.groups = group_volumes(who.launch_group, who.groups, self.allowed.groups)
        self.launch = group_directory(who.launch_group)
        has_own = any(one.is_in and one.directory == self.launch for one in self.groups)
        self.home = home_of(document, self.launch if has_own else None)
        self.places = self._places()
        self.answers = self._answers()
        self.links, self.lost = links(self.home, list(self._wishes()))
        self.environment, self.said = self._environment()
        self._say_unknown_roles()
        self._tree()

    def phfs(self) -> Volume:
        """The group's objects; every pod has them."""
        answer = self.allowed.phfs
        self._add("phfs", pieces.phfs(self.document, read_only=answer.state is State.RO))
        return self._volume(Volume(
            id="phfs", name="phfs", kind="phfs", state=answer.state, why=answer.why, path="/phfs"
        ))  # fmt: skip

    def home_volume(self) -> Volume:
        """Where people begin."""
        answer, home = self.allowed.home, self.home
        # Its links lie in it, so they come after what brings it up.
        self._add("home", home.pieces, links_last=True)
        return self._volume(Volume(
            id="home",
            name="home",
            kind="home",
            state=answer.state,
            why=home.why or answer.why,
            path=home.place.path if home.place else "",
            notes=tuple(home.notes),
        ))  # fmt: skip

    def group_volumes(self) -> Iterator[Volume]:
        """Those of all of the user's groups."""
        for one in self.groups:
            path = ""
            if one.is_in:
                assert one.group.volume is not None
                path = f"/project/{one.directory}"
                claim = one.group.volume.claim or f"project-{one.directory}"
                place = Place(path, one.id)
                self._add(one.id, pieces.claimed("group", one.directory, claim, place, one.id))
            yield self._volume(Volume(
                id=one.id,
                name=one.group.name,
                kind="group",
                state=one.answer.state,
                why=one.answer.why,
                path=path,
                wrong=one.answer.wrong,
            ))  # fmt: skip

    def data_volumes(self) -> Iterator[Volume]:
        """All there are, also those of no concern to this pod."""
        for name, answer in self.answers.items():
            volume, id_, path = self.data[name], f"datasets/{name}", ""
            if answer.state in FILES:
                place = self.places.given[name]
                path = place.path
                parts = pieces.data(volume, place, read_only=answer.state is State.RO)
                self._add(id_, parts, links_last=volume.kind == "git")
            yield self._volume(Volume(
                id=id_,
                name=name,
                kind=volume.kind,
                state=answer.state,
                why=answer.why,
                path=path,
                wrong=answer.wrong,
                notes=tuple(self.said.get(name, ())),
            ))  # fmt: skip

    def _add(self, id_: str, parts: Pieces, *, links_last: bool = False) -> None:
        links: list[Step] = list(self.links.get(id_, []))
        # A place to mount at is there from the beginning: no link to it ever leads to nowhere.
        parts.steps = [*parts.steps, *links] if links_last else [*links, *parts.steps]
        self.parts.add(parts)

    def _volume(self, volume: Volume) -> Volume:
        return replace(volume, notes=(*volume.notes, *self.lost.get(volume.id, ())))

    def _tree(self) -> None:
        """What is there whatever the volumes are."""
        self.parts.add(directory(PUBLIC, "", "What the pod is told.", owned=False, read_only=True))
        self.parts.tree.append(
            PublishEnvironment(path=PUBLIC.tree, why="The main container reads its variables here.")
        )
        if self.document.what.kind == "deployment":
            return
        for parent in self.places.parents:
            why = "Data volumes are shown here; those of git by links."
            self.parts.add(directory(parent, "", why, owned=False, read_only=True))
        if any(self.data[name].kind == "git" for name in self.places.given):
            why = "Clones are kept here."
            self.parts.add(directory(CLONES, "", why, owned=False, read_only=True))

    def _places(self) -> Places:
        wanted = [
            self.data[name] for name, answer in self.allowed.data.items() if answer.state in FILES
        ]
        ours = {
            "/phfs": "the group's objects",
            "/project": "for group volumes",
            "/gitsync": "for clones",
            PUBLIC.path: "the sidecar's",
            "/phapplications": "for apps",
        }
        place = self.home.place
        if place is not None:
            names = ["phfs", "datasets", *(one.directory for one in self.groups if one.is_in)]
            ours |= {f"{place.path}/{name}": "a link of the platform's" for name in names}
            ours |= {f"{place.path}/{name}": text for name, text in self.home.taken.items()}
        return settle(wanted, ours, place.path if place else None)

    def _answers(self) -> dict[str, Answer]:
        """The answers about data volumes, after some were refused their place."""
        refused = self.places.refused
        return {
            name: Answer(State.OUT, refused[name], wrong=True) if name in refused else answer
            for name, answer in self.allowed.data.items()
        }

    def _wishes(self) -> Iterator[Wish]:
        yield Wish("phfs", "/phfs", "phfs")
        yield Wish("datasets", "/datasets", "home")
        for one in self.groups:
            # In the group's own volume a link to it would be a way round in a circle.
            if one.is_in and not self.home.is_in_group_volume:
                yield Wish(one.directory, f"/project/{one.directory}", one.id)
        for name, place in sorted(self.places.given.items()):
            if self.data[name].home_link:
                yield Wish(name, place.path, f"datasets/{name}")

    def _environment(self) -> tuple[list[Variable], dict[str, list[str]]]:
        writable = list(self._writable())
        for path in filter(variables.splits, writable):
            self.notes.append(f"{path!r} is left out of CHOWN_EXTRA, which cannot hold its name.")
        own = variables.platform(
            self.document,
            f"/project/{self.launch}",
            self.home.place.path if self.home.place else None,
            [path for path in writable if not variables.splits(path)],
        )
        values = {
            name: source.values
            for name, answer in self.answers.items()
            if answer.state is State.IN and isinstance(source := self.data[name].source, Variables)
        }
        found, said = variables.of_volumes(values, own)
        return sorted([*own, *found], key=lambda variable: variable.name), said

    def _writable(self) -> Iterator[str]:
        """Paths that the user may write at, the home directory first."""
        if self.home.place is not None:
            yield self.home.place.path
            below = f"{self.home.place.path}/"
            yield from (one.path for one in self.home.pieces.inside if one.path.startswith(below))
        if self.allowed.phfs.state is State.RW:
            yield "/phfs"
        yield from (f"/project/{one.directory}" for one in self.groups if one.is_in)
        for name, answer in self.answers.items():
            if answer.state is State.RW:
                yield self.places.given[name].path

    def _say_unknown_roles(self) -> None:
        names = unknown_roles(self.document.who.groups, self.data)
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            shown = ", ".join(repr(name[:80]) for name in names[:5]) + more
            self.notes.append(f"Roles name data volumes that are not in the document: {shown}.")
