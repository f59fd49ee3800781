"""A remote repository: which commit a reference stands for, and a whole checkout of it.

Starts git as a user without rights, because it reads what strangers have written. Knows nothing of
periods, nor of where checkouts are shown. Called by ``syncing``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import trio

from phfs.errors import VolumeError
from phfs.sidecar import programs
from phfs.sidecar.gitaccess import Access
from phfs.sidecar.gitwords import refused
from phfs.sidecar.programs import Ended
from phfs.sidecar.repository import Repository
from phfs.system.privileges import Identity

ASK_SECONDS = 30.0
"""How long a server is asked which commit a reference is."""

FETCH_SECONDS = 600.0
"""How long one fetch and its checkout may take together."""

SIZE_BYTES = 20 * 1024**3
"""How large one checkout with its history may be: a repository must not fill the node."""

LOOK_SECONDS = 2.0
"""How often the size is looked at; more seldom where looking takes long."""

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_WHOLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def is_whole(reference: str | None) -> bool:
    """Whether a reference is a commit's full name, which never stands for another commit."""
    return reference is not None and _WHOLE.fullmatch(reference.lower()) is not None


def may_be_commit(reference: str | None) -> bool:
    """Whether a reference may be the beginning of a commit's name."""
    return reference is not None and _COMMIT.fullmatch(reference.lower()) is not None


class Remote:
    """A repository as one access reaches it. All methods raise ``VolumeError``."""

    def __init__(
        self,
        repository: Repository,
        access: Access,
        identity: Identity | None,
        *,
        seconds: float = FETCH_SECONDS,
        size: int = SIZE_BYTES,
    ) -> None:
        self._repository = repository
        self._access = access
        self._identity = identity
        self._seconds = seconds
        self._size = size

    async def ask(self) -> tuple[str, str] | None:
        """The reference's full name on the server and its commit; None if there is no such branch
        or tag."""
        reference = self._repository.reference
        names = ["HEAD"]
        if reference is not None:
            names = [f"refs/heads/{reference}", f"refs/tags/{reference}"]
            if reference.startswith("refs/"):
                names.insert(0, reference)
        patterns = [*names, *(f"{name}^{{}}" for name in names)]
        seconds = min(ASK_SECONDS, self._seconds)
        ended = await self._git("/", "ls-remote", "--quiet", "origin", *patterns, seconds=seconds)
        if not ended.is_done:
            raise self._refused(ended, seconds)
        lines = (line.partition("\t") for line in ended.out.splitlines())
        found = {name: commit for commit, _, name in lines if _WHOLE.fullmatch(commit)}
        for name in names:
            # What ends in ^{} is the commit that an annotated tag is put on.
            commit = found.get(f"{name}^{{}}", found.get(name))
            if commit is not None:
                return name, commit
        if reference is None:
            raise VolumeError(
                f"{self._repository.shown} has no default branch, or no commit yet.",
                "Push a commit, or name a branch behind '#' in the volume's URL.",
            )
        return None

    async def check_out(self, name: str | None, place: Path) -> str:
        """Fetch a name of the server, or the commit that the reference is; the commit's name.

        ``place`` is an empty directory of the identity's. Not more than is needed is fetched, if
        the server permits.
        """
        commit, too_large = "", trio.Event()
        try:
            with trio.fail_after(self._seconds):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch, place, too_large, nursery.cancel_scope)
                    commit = await self._fetch(name, place)
                    nursery.cancel_scope.cancel()
        except trio.TooSlowError:
            raise VolumeError(
                f"{self._repository.shown} could not be fetched within {self._seconds:g} seconds.",
                "It is tried again by itself; a smaller repository, or a faster server, is needed.",
            ) from None
        except ExceptionGroup as group:
            raise _only(group) from None
        if too_large.is_set() or await used(place, self._identity) > self._size:
            raise VolumeError(
                f"{self._repository.shown} is larger than {self._size / 1024**3:.3g} GiB, which is "
                "more than a git volume may be.",
                "Use a volume of another kind for large data.",
            )
        return commit

    async def _fetch(self, name: str | None, place: Path) -> str:
        await self._must(place, "init", "--quiet", ".")
        if name is not None:
            await self._must(place, *_FETCH, "--depth=1", "origin", name)
            commit = await self._commit(place, "FETCH_HEAD")
        else:
            commit = await self._fetch_commit(place)
        if commit is None:
            raise VolumeError(
                f"{self._repository.shown} has no branch, tag or commit "
                f"{self._repository.reference}.",
                "Check what is behind '#' in the volume's URL.",
            )
        await self._must(place, "checkout", "--quiet", "--force", "--detach", commit)
        for leftover in ("FETCH_HEAD", "ORIG_HEAD"):
            with suppress(FileNotFoundError):
                (place / ".git" / leftover).unlink()
        return commit

    async def _fetch_commit(self, place: Path) -> str | None:
        reference = (self._repository.reference or "").lower()
        if is_whole(reference):
            ended = await self._git(place, *_FETCH, "--depth=1", "origin", reference)
            if ended.is_done:
                return await self._commit(place, reference)
        # Not every server gives a commit by its name, and none by its beginning: all is fetched.
        await self._must(place, *_FETCH, "origin", "+refs/heads/*:refs/remotes/origin/*",
                         "+refs/tags/*:refs/tags/*")  # fmt: skip
        return await self._commit(place, reference)

    async def _commit(self, place: Path, name: str) -> str | None:
        ended = await self._git(place, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        commit = ended.out.strip()
        return commit if ended.is_done and _WHOLE.fullmatch(commit) else None

    async def _must(self, place: Path, *words: str) -> None:
        ended = await self._git(place, *words)
        if not ended.is_done:
            raise self._refused(ended, self._seconds)

    async def _git(self, place: Path | str, *words: str, seconds: float | None = None) -> Ended:
        try:
            return await programs.run(
                ["git", *words],
                seconds=self._seconds if seconds is None else seconds,
                identity=self._identity,
                # Not looked for above: what a pod has there is nobody's repository.
                environment={**self._access.environment, "GIT_CEILING_DIRECTORIES": str(place)},
                directory=str(place),
            )
        except OSError as error:
            raise VolumeError(
                f"git cannot be started ({error.strerror}).",
                "The sidecar's image needs git and setpriv.",
            ) from None

    def _refused(self, ended: Ended, seconds: float) -> VolumeError:
        if ended.code is None:
            return VolumeError(
                f"{self._repository.shown} cannot be fetched: the server does not answer within "
                f"{seconds:g} seconds.",
                "It is tried again by itself; if it stays, tell whoever runs the server.",
            )
        return refused(self._repository.shown, ended.err, self._access.secrets)

    async def _watch(self, place: Path, too_large: trio.Event, scope: trio.CancelScope) -> None:
        while True:
            before = trio.current_time()
            if await used(place, self._identity) > self._size:
                too_large.set()
                scope.cancel()
                return
            await trio.sleep(max(LOOK_SECONDS, 10 * (trio.current_time() - before)))


_FETCH: Sequence[str] = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--force")


async def used(place: Path, identity: Identity | None) -> int:
    """How many bytes a directory takes; 0 if it cannot be said."""
    ended = await programs.run(
        ["du", "-skx", "--", os.fspath(place)], seconds=120, identity=identity
    )
    figure = ended.out.partition("\t")[0]
    return int(figure) * 1024 if figure.isdigit() else 0


def _only(group: ExceptionGroup[Exception]) -> Exception:
    """The one error of a group of one; a nursery wraps whatever leaves it."""
    error: Exception = group
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
