"""What is to be done, as plain values: each step, and exactly what it means to apply it.

Nothing is done here. ``plan`` makes them, ``run`` applies them.

*Paths.* ``path`` is below ROOT, the pod's shared directory in the sidecar: relative, with ``/``
between names, never with ``..``. ``target`` and ``Inside.path`` are absolute paths in the main
container; nothing in the sidecar need be there. ``source`` is absolute in the sidecar.

*Order.* Steps whose ``volume`` is ``""`` are the tree; they come first, one by one, and if one
fails nothing can work. The others belong to a volume: those of one volume are applied in their
order, and the first that fails makes the volume failed and ends it; different volumes do not wait
for each other, except that a step waits until all volumes in its ``after`` are settled, that is in
place or failed.

*Trust.* Below a volume's mount users have put whatever they like: no step may follow a symbolic
link there (``openat`` with ``O_NOFOLLOW``, name by name).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from phfs.sidecar.repository import Repository


@dataclass(frozen=True, kw_only=True)
class _Step:
    """``volume``: the id of the volume it is of, or ``""``. ``why``: one sentence."""

    name: ClassVar[str]

    volume: str = ""
    after: tuple[str, ...] = ()
    why: str


@dataclass(frozen=True, kw_only=True)
class MakeDirectory(_Step):
    """A directory at ``path`` of that owner and mode, and those above it likewise.

    A directory that is there stays as it is, whoever owns it; anything else that is there is a
    failure. The tree's own, which the sidecar has made before (a restart), are left too; those that
    the kubelet has made (root's, writable by everybody) become what they should be.
    """

    name = "mkdir"

    path: str
    uid: int
    gid: int
    mode: int


@dataclass(frozen=True, kw_only=True)
class Bind(_Step):
    """``source``, a mount the pod has handed over, bound to the directory ``path``.

    Recursively not; with nosuid and nodev, and if ``read_only`` by a second
    ``MS_REMOUNT|MS_BIND|MS_RDONLY`` that repeats both, before anybody can have written.
    """

    name = "bind"

    source: str
    path: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class MountPhfs(_Step):
    """``phfs-mount BUCKET ROOT/path --group GROUP`` with ``options`` (by name, without dashes).

    ``read_only`` adds ``--read-only``. Always with ``--allow-other`` and the plan's owner. Keys
    come from ``secret``, a directory in the sidecar with the keys of a Secret as files; without
    one, from the sidecar's own environment.
    """

    name = "phfs"

    bucket: str
    group: str
    path: str
    read_only: bool
    options: tuple[tuple[str, str], ...]
    secret: str | None


@dataclass(frozen=True, kw_only=True)
class MountNfs(_Step):
    """``server:export`` mounted by the kernel at ``path``, nosuid and nodev, bounded in time."""

    name = "nfs"

    server: str
    export: str
    path: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class SyncGit(_Step):
    """A clone below ``path``, brought up to date every ``period`` seconds.

    ``path/rev-<sha>`` are whole checkouts; the link ``path/current`` (``current`` is a name) leads
    to one of them and is turned atomically; the link at ``link`` leads to ``target``, which is the
    same place seen from the main container, and is made after the first checkout, not before. Old
    checkouts stay while they are in use. ``secret``: a directory in the sidecar with a key, a token
    or known hosts; never shown.
    """

    name = "git"

    repository: Repository
    secret: str | None
    path: str
    current: str
    link: str
    target: str
    period: int


@dataclass(frozen=True, kw_only=True)
class PublishEnvironment(_Step):
    """``env.sh`` and ``env.json`` in the directory ``path``, from the plan's environment.

    Readable by the plan's owner only (mode 0400), because values may be secrets. What the main
    container has set itself is left as it is by ``env.sh``.
    """

    name = "environment"

    path: str


@dataclass(frozen=True, kw_only=True)
class MakeLink(_Step):
    """A symbolic link at ``path`` to ``target``, made under another name and renamed.

    Only where the name is free, or is a link to ``target`` or to nowhere: never over anything of a
    user's; then it is not made, which is no failure but is said.
    """

    name = "link"

    path: str
    target: str


Step = MakeDirectory | Bind | MountPhfs | MountNfs | SyncGit | PublishEnvironment | MakeLink


@dataclass(frozen=True, kw_only=True)
class Inside:
    """A volumeMount of every main container: ``subPath`` tree at ``path``, HostToContainer.

    In the order in which they are to be listed: what is above comes first. ``read_only`` is the
    mount's; a volume below is read-only by its own mount as well.
    """

    path: str
    tree: str
    read_only: bool
    volume: str


@dataclass(frozen=True, kw_only=True)
class Handed:
    """What the pod has to hand over to the sidecar, mounted there at ``path``.

    ``kind``: ``home``, ``group`` and ``pv`` (``source`` is a PersistentVolumeClaim), ``hostPath``
    (a directory of the node), ``git`` and ``store`` (a Secret). Secrets are always read-only.
    """

    kind: str
    name: str
    source: str
    path: str
    read_only: bool
