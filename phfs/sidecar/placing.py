"""Directories, links and binds below ROOT, where users may have laid links of their own.

Every name on the way is opened by itself and never followed if it is a link: a privileged process
must not be led elsewhere. Blocks, as what it touches may be a dead server's: called through
``forked`` by ``applying``.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from phfs.errors import VolumeError
from phfs.sidecar.steps import Bind, Inside, MakeDirectory, MakeLink
from phfs.system import binds, mounts
from phfs.system.privileges import Identity, acting_as

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_DEEPEST = 16
"""Directories in directories that are looked at; what is deeper counts as files."""

OURS = ("/datasets/", "/gitsync/", "/phfs/", "/project/")
"""Where in the main container nothing is but what the sidecar has put there."""


@contextmanager
def opened(root: Path, path: str) -> Iterator[int]:
    """A descriptor of the directory ``path`` below ``root``, which must not lead over a link.

    Raises ``VolumeError`` if something on the way is no directory, ``OSError``.
    """
    here = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in _names(path):
            here = _entered(here, name, path)
        yield here
    finally:
        os.close(here)


def make_directory(root: Path, step: MakeDirectory) -> None:
    """Apply the step. Raises ``VolumeError`` and ``OSError``."""
    here = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        tree = _mount_id(here)
        for name in _names(step.path):
            made = False
            with suppress(FileExistsError):
                os.mkdir(name, mode=0o700, dir_fd=here)
                made = True
            here = _entered(here, name, step.path)
            if made or (not step.volume and _is_kubelets(here, tree)):
                # By way of its descriptor: whoever may change the directory above could have put
                # something else under the name.
                own = f"/proc/self/fd/{here}"
                os.chown(own, step.uid, step.gid)
                os.chmod(own, step.mode)
    finally:
        os.close(here)


def _is_kubelets(directory: int, tree: int) -> bool:
    """Whether the kubelet has made it, for a container that started before the sidecar: it is in
    the tree itself, not in what is mounted there, root's, and everybody may write."""
    # First, because what is mounted there may be dead and answer nothing.
    if _mount_id(directory) != tree:
        return False
    found = os.fstat(directory)
    return found.st_uid == 0 and bool(found.st_mode & 0o002)


def _mount_id(directory: int) -> int:
    lines = Path(f"/proc/self/fdinfo/{directory}").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("mnt_id:")).split()[1])


def bind(root: Path, step: Bind, stage: Path) -> None:
    """Apply the step; what is there already stays if it is the right thing.

    ``stage``: an empty directory nobody else sees. Raises ``VolumeError`` and ``OSError``.
    """
    try:
        source = os.open(step.source, _DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise VolumeError(
            f"The pod does not hand over {step.source}, which should be a directory.",
            "Check the pod's volumes: the claim, or the node's directory, has to be mounted into "
            "the sidecar there.",
        ) from None
    try:
        with opened(root, step.path) as target:
            if _is_shown(source, target, read_only=step.read_only):
                return
        # Only the sidecar mounts here: what is there is of an earlier run, for another document.
        for _ in mounts.mounts_at(root / step.path):
            binds.unmount(root / step.path)
        with opened(root, step.path) as target:
            refuse_to_hide(target)
            binds.bind(source, target, stage, read_only=step.read_only)
    finally:
        os.close(source)


def _is_shown(source: int, target: int, *, read_only: bool) -> bool:
    flags = os.fstatvfs(target).f_flag
    wanted = os.ST_NOSUID | os.ST_NODEV
    if read_only or os.fstatvfs(source).f_flag & os.ST_RDONLY:
        wanted |= os.ST_RDONLY
    return (
        os.path.samestat(os.fstat(source), os.fstat(target))
        and flags & (os.ST_NOSUID | os.ST_NODEV | os.ST_RDONLY) == wanted
    )


def refuse_to_hide(place: int) -> None:
    """Nothing may be mounted upon files that were written while their volume was not there.

    ``place`` is a descriptor of the bare directory. Empty directories are no loss, and container
    runtimes make them to mount at. Raises ``VolumeError`` if there is anything else.
    """
    if _holds_files(place, _DEEPEST):
        raise VolumeError(
            "In its place in the pod are files that were written while it was not there, and that "
            "it would hide.",
            "Move them away from the path it is shown at; it comes by itself then.",
        )


def _holds_files(place: int, deepest: int) -> bool:
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place)
    try:
        with os.scandir(here) as entries:
            for entry in entries:
                if not deepest or not entry.is_dir(follow_symlinks=False):
                    return True
                inner = os.open(entry.name, _DIRECTORY, dir_fd=here)
                try:
                    if _holds_files(inner, deepest - 1):
                        return True
                finally:
                    os.close(inner)
    finally:
        os.close(here)
    return False


def not_shown(source: str) -> str:
    """What a bind of ``source`` leaves out, one sentence; empty if it shows everything.

    By the kernel's table: no server is asked. Raises ``OSError``.
    """
    above = Path(source)
    names = {
        str(one.path.relative_to(above)) for one in mounts.all_mounts() if above in one.path.parents
    }
    if not names:
        return ""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return (
        f"What is mounted below it is not shown: {', '.join(sorted(names)[:5])}{more}. What is "
        "written there goes to the directory underneath."
    )


def make_link(root: Path, step: MakeLink, inside: Sequence[Inside], owner: Identity) -> str:
    """Apply the step as the files' owner; why it was not done, empty if it was.

    Raises ``OSError``, and ``VolumeError`` if the directory is none.
    """
    above, _, name = step.path.rpartition("/")
    with opened(root, above) as parent:
        try:
            there = os.readlink(name, dir_fd=parent)
        except FileNotFoundError:
            there = None
        except OSError:
            return f"There is no link {name} to {step.target}: the name is taken by the user's own."
        if there == step.target:
            return ""
        if there is not None and not leads_nowhere(root, there, inside):
            return (
                f"There is no link {name} to {step.target}: the name is a link of the user's own."
            )
        try:
            with acting_as(owner):
                _link(parent, name, step.target, replace=there is not None)
        except PermissionError:
            _link(parent, name, step.target, replace=there is not None)
            with suppress(PermissionError):
                os.chown(name, *owner, dir_fd=parent, follow_symlinks=False)
    return ""


def leads_nowhere(root: Path, target: str, inside: Sequence[Inside]) -> bool:
    """Whether a link that the main container sees leads to a place of ours at which nothing is.

    Where else a link may lead to cannot be seen from here, and is the user's affair.
    """
    path = os.path.normpath(target)
    if not path.startswith(OURS):
        return False
    covering = [one for one in inside if path == one.path or path.startswith(f"{one.path}/")]
    if not covering:
        return True
    last = max(covering, key=lambda one: len(one.path))
    if last.volume or path == last.path:
        return False
    return not os.path.lexists(root / last.tree / os.path.relpath(path, last.path))


def write_file(directory: int, name: str, data: bytes, *, mode: int, owner: Identity) -> None:
    """Put a file into a directory by one rename: whoever reads it has the old one or the new one.

    Never follows what is under the name. Raises ``OSError``.
    """
    new = f".{name}-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    number = os.open(new, flags, 0o600, dir_fd=directory)
    try:
        with open(number, "wb") as file:
            file.write(data)
            os.fchown(file.fileno(), owner.uid, owner.gid)
            os.fchmod(file.fileno(), mode)
        os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        os.unlink(new, dir_fd=directory)
        raise


def _link(parent: int, name: str, target: str, *, replace: bool) -> None:
    if not replace:
        os.symlink(target, name, dir_fd=parent)
        return
    new = f".{name}-{secrets.token_hex(8)}"
    os.symlink(target, new, dir_fd=parent)
    try:
        os.rename(new, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        os.unlink(new, dir_fd=parent)
        raise


def _names(path: str) -> list[str]:
    names = path.split("/") if path else []
    assert not {"", ".", ".."} & set(names), path
    return names


def _entered(here: int, name: str, path: str) -> int:
    """The directory ``name`` in ``here``, which is closed."""
    try:
        found = os.open(name, _DIRECTORY, dir_fd=here)
    except NotADirectoryError:
        kind = "a link" if _is_link(here, name) else "no directory"
        raise VolumeError(
            f"{name!r} on the way to {path} is {kind}.",
            "Give it another name, so that a directory can be made there.",
        ) from None
    os.close(here)
    return found


def _is_link(here: int, name: str) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode)
