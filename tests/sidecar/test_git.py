"""Volumes of kind git, from real servers on loopback, as the sidecar keeps them."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from phfs.errors import VolumeError
from phfs.sidecar.repository import parse
from phfs.sidecar.steps import SyncGit
from phfs.sidecar.syncing import CLONER, Bounds, Synced, keep_synced, sync_once
from tests.support.effort import Effort
from tests.support.git_server import HttpServer, Origin, git_daemon, make_key, ssh_server
from tests.support.minio import free_port

pytestmark = pytest.mark.real

PATIENCE = 60.0

TOKEN = "tok:en/of@ann"  # what has to be quoted in a URL


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the user nobody can reach, as a pod's is."""
    directory = Path(tempfile.mkdtemp(prefix="phfs-git-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def origin(place: Path) -> Origin:
    return Origin(place / "served" / "code.git")


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE):
        while not true():
            await trio.sleep(0.01)


class Volume:
    """One git volume below ``place/root``."""

    def __init__(self, place: Path, secret: dict[str, str] | None = None) -> None:
        self.root = place / "root"
        self.private = place / "private"
        self._secret = None
        if secret is not None:
            directory = place / "secret"
            directory.mkdir(mode=0o700, exist_ok=True)
            for name, text in secret.items():
                (directory / name).write_text(text)
            self._secret = str(directory)

    def step(self, url: str, period: int = 600) -> SyncGit:
        return SyncGit(
            volume="datasets/code", why="", repository=parse(url), secret=self._secret,
            path="gitsync/code", current="code", link="datasets/code", target="/gitsync/code/code",
            period=period,
        )  # fmt: skip

    async def sync(self, url: str, bounds: Bounds | None = None) -> Synced:
        with trio.fail_after(PATIENCE):
            return await sync_once(self.step(url), self.root, self.private, bounds=bounds)

    async def fails(self, url: str, bounds: Bounds | None = None) -> VolumeError:
        with pytest.raises(VolumeError) as caught:
            await self.sync(url, bounds)
        return caught.value

    @property
    def directory(self) -> Path:
        return self.root / "gitsync/code"

    @property
    def shown(self) -> Path:
        return self.directory / "code"

    @property
    def is_linked(self) -> bool:
        return (self.root / "datasets/code").is_symlink()

    def names(self) -> set[str]:
        return {entry.name for entry in self.directory.iterdir()}


async def test_the_default_branch_is_cloned(place: Path, origin: Origin) -> None:
    commit = origin.commit({"run.py": "print(1)\n", "deep/a": "a", "near": "link:run.py"})
    volume = Volume(place)
    with git_daemon(place / "served") as url:
        synced = await volume.sync(f"{url}/code.git")
    assert synced.commit == commit
    assert synced.at is not None
    assert (synced.error, synced.notes) == (None, ())
    assert volume.names() == {"code", f"rev-{commit}"}
    assert os.readlink(volume.shown) == f"rev-{commit}"
    assert os.readlink(volume.root / "datasets/code") == "/gitsync/code/code"
    assert (volume.shown / "near").read_text() == "print(1)\n"
    assert (volume.shown / "deep/a").read_text() == "a"
    for path in (volume.shown / "run.py", volume.shown / "deep", volume.shown.resolve()):
        state = path.stat()
        assert state.st_uid == CLONER.uid
        assert stat.S_IMODE(state.st_mode) == (0o755 if path.is_dir() else 0o644)
    assert list(volume.private.iterdir()) == []


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("dev", 1), ("feature/x", 2), ("v1", 0), ("light", 0), ("refs/heads/dev", 1)],
)
async def test_a_branch_or_tag_is_cloned(
    place: Path, origin: Origin, reference: str, expected: int
) -> None:
    commits = [origin.commit({"n": "0"})]
    origin.git("tag", "-a", "-m", "one", "v1")
    origin.git("tag", "light")
    commits.append(origin.commit({"n": "1"}, "dev"))
    commits.append(origin.commit({"n": "2"}, "feature/x"))
    volume = Volume(place)
    with git_daemon(place / "served") as url:
        synced = await volume.sync(f"{url}/code.git#{reference}")
    assert synced.commit == commits[expected]
    assert (volume.shown / "n").read_text() == str(expected)


@pytest.mark.parametrize("letters", [40, 9])
async def test_a_commit_is_cloned_though_branches_go_on(
    place: Path, origin: Origin, letters: int
) -> None:
    wanted = origin.commit({"n": "old"})
    origin.commit({"n": "new"})
    volume = Volume(place)
    with git_daemon(place / "served") as url:
        synced = await volume.sync(f"{url}/code.git#{wanted[:letters]}")
        assert (volume.shown / "n").read_text() == "old"
        origin.commit({"n": "newer"})
        again = await volume.sync(f"{url}/code.git#{wanted[:letters]}")
    assert synced.commit == again.commit == wanted
    if letters == 40:
        # It never stands for another, so nobody is asked.
        assert (await volume.sync(f"{url}/code.git#{wanted}")).commit == wanted


@pytest.mark.parametrize("reference", ["nope", "abcdef012", "f" * 40])
async def test_a_reference_that_is_not_there_is_named(
    place: Path, origin: Origin, reference: str
) -> None:
    origin.commit({"n": "0"})
    volume = Volume(place)
    with git_daemon(place / "served") as url:
        error = await volume.fails(f"{url}/code.git#{reference}")
    assert reference in error.why
    assert "'#'" in error.advice
    assert volume.names() == set()
    assert not volume.is_linked


async def test_an_empty_repository_and_none_are_told_apart(place: Path, origin: Origin) -> None:
    volume = Volume(place)
    with git_daemon(place / "served") as url:
        assert "no commit yet" in (await volume.fails(f"{url}/code.git")).why
        assert "no such repository" in (await volume.fails(f"{url}/other.git")).why
    assert not volume.is_linked


async def test_nothing_is_fetched_and_nothing_changes_without_a_new_commit(
    place: Path, origin: Origin
) -> None:
    origin.commit({"n": "0"})
    volume = Volume(place)
    with HttpServer(place / "served") as server:
        url = f"http://{server.place}/code.git"
        await volume.sync(url)
        before = volume.shown.lstat(), volume.shown.stat()
        server.seen.clear()
        await volume.sync(url)
        assert (volume.shown.lstat(), volume.shown.stat()) == before
        # The question for the references; a fetch would have asked again for what it wants.
        assert [path for path, _ in server.seen] == [
            "/code.git/info/refs?service=git-upload-pack",
            "/code.git/git-upload-pack",
        ]


@pytest.mark.torture
async def test_who_looks_sees_the_old_or_the_new_and_never_neither(
    place: Path, origin: Origin, effort: Effort
) -> None:
    last = effort.of(quick="4", long="300")
    origin.commit({"n": "0", "m": "0"})
    volume, seen, over = Volume(place), set[tuple[str, str]](), trio.Event()

    def look() -> None:
        while not over.is_set():
            now = os.open(volume.shown, os.O_RDONLY)
            try:
                with (
                    open(os.open("n", os.O_RDONLY, dir_fd=now)) as n,
                    open(os.open("m", os.O_RDONLY, dir_fd=now)) as m,
                ):
                    seen.add((n.read(), m.read()))
            finally:
                os.close(now)

    with git_daemon(place / "served") as url:
        await volume.sync(f"{url}/code.git")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, look)
            for number in range(1, int(last) + 1):
                origin.commit({"n": str(number), "m": str(number)})
                await volume.sync(f"{url}/code.git")
            await until(lambda: (last, last) in seen)
            over.set()
    assert {n for n, m in seen if n != m} == set()
    effort.record("git volume turned under a reader", turns=int(last), torn=0)


async def test_a_failed_sync_keeps_what_is_there_and_comes_back(
    place: Path, origin: Origin
) -> None:
    first = origin.commit({"n": "0"})
    volume, port = Volume(place), free_port()
    send, receive = trio.open_memory_channel[Synced](1000)

    async def told(true: Callable[[Synced], bool]) -> Synced:
        with trio.fail_after(PATIENCE):
            while not true(synced := await receive.receive()):
                pass
            return synced

    step = volume.step(f"git://127.0.0.1:{port}/code.git", period=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(
            keep_synced, step, volume.root, volume.private, send.send_nowait, first_wait=0.05
        ))  # fmt: skip
        failed = await told(lambda synced: synced.error is not None)
        assert (failed.commit, failed.at) == (None, None)
        assert not volume.is_linked
        with git_daemon(place / "served", port):
            there = await told(lambda synced: synced.error is None)
            assert there.commit == first
        failed = await told(lambda synced: synced.error is not None)
        assert (failed.commit, failed.at) == (first, there.at)
        assert failed.error is not None
        assert "127.0.0.1" in failed.error.why
        assert (volume.shown / "n").read_text() == "0"
        second = origin.commit({"n": "1"})
        with git_daemon(place / "served", port):
            assert (await told(lambda synced: synced.error is None)).commit == second
        assert (volume.shown / "n").read_text() == "1"
        nursery.cancel_scope.cancel()


async def test_a_silent_server_is_waited_for_no_longer_than_its_bound(place: Path) -> None:
    volume = Volume(place)
    with HttpServer(place) as server:
        server.silent = True
        error = await volume.fails(f"http://{server.place}/code.git", Bounds(seconds=2))
    assert "does not answer within 2 seconds" in error.why
    assert not volume.is_linked


async def test_a_silent_server_holds_nobody_up(place: Path, origin: Origin) -> None:
    origin.commit({"n": "0"})
    silent, good = Volume(place / "one"), Volume(place / "two")
    with HttpServer(place) as server, git_daemon(place / "served") as url:
        server.silent = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(silent.sync, f"http://{server.place}/code.git", Bounds(seconds=60))
            await until(lambda: len(server.seen) > 0)
            await good.sync(f"{url}/code.git")
            nursery.cancel_scope.cancel()
    assert (good.shown / "n").read_text() == "0"


@pytest.mark.parametrize(
    ("secret", "user", "login"),
    [
        ({"token": TOKEN + "\n"}, "", ("oauth2", TOKEN)),
        ({"token": TOKEN}, "ann@", ("ann", TOKEN)),
        ({"username": "ann", "password": TOKEN}, "", ("ann", TOKEN)),
        (None, "ann:tok%3Aen%2Fof%40ann@", ("ann", TOKEN)),
        (None, "tok%3Aen%2Fof%40ann@", ("oauth2", TOKEN)),
    ],
)
async def test_a_token_opens_what_is_closed(
    place: Path,
    origin: Origin,
    secret: dict[str, str] | None,
    user: str,
    login: tuple[str, str],
) -> None:
    commit = origin.commit({"n": "0"})
    volume = Volume(place, secret)
    with HttpServer(place / "served", login) as server:
        synced = await volume.sync(f"http://{user}{server.place}/code.git")
    assert synced.commit == commit
    assert list(volume.private.iterdir()) == []
    for path in volume.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"tok" not in path.read_bytes(), path
            assert server.place.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("secret", [None, {"token": "wrong-token"}])
async def test_a_wrong_or_missing_token_is_said_and_not_shown(
    place: Path, origin: Origin, secret: dict[str, str] | None
) -> None:
    origin.commit({"n": "0"})
    volume = Volume(place, secret)
    with HttpServer(place / "served", ("oauth2", TOKEN)) as server:
        error = await volume.fails(f"http://{server.place}/code.git")
    assert "wants a token" in error.why
    assert "wrong-token" not in error.why + error.advice
    assert server.place in error.why


async def test_a_token_is_in_no_command_line_and_no_environment(place: Path) -> None:
    volume = Volume(place, {"token": TOKEN})
    found, programs = [], set()
    with HttpServer(place) as server:
        server.silent = True
        url = f"http://ann:{TOKEN.replace('/', '%2F').replace('@', '%40')}@{server.place}/code.git"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(volume.sync, url, Bounds(seconds=60))
            await until(lambda: len(server.seen) > 0)
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    line = (process / "cmdline").read_bytes()
                    environment = (process / "environ").read_bytes()
                except OSError:
                    continue  # it has ended
                if server.place.encode() in line:
                    programs.add(line.partition(b"\0")[0])
                    assert b"Uid:\t65534\t65534\t65534\t65534" in (process / "status").read_bytes()
                if re.search(rb"tok(:|%3A)en", line + environment):
                    found.append(line)
            nursery.cancel_scope.cancel()
    assert len(programs) > 0, "no git was seen at work"
    assert found == []


async def test_a_redirect_does_not_take_the_token_along(place: Path, origin: Origin) -> None:
    origin.commit({"n": "0"})
    volume = Volume(place, {"token": TOKEN})
    served = place / "served"
    with HttpServer(served) as own, HttpServer(served, ("oauth2", TOKEN)) as other:
        own.redirect = f"http://{other.place}"
        error = await volume.fails(f"http://{own.place}/code.git")
        assert len(other.seen) > 0
        assert {login for _, login in other.seen} == {None}
    assert "wants a token" in error.why


async def test_a_redirect_to_another_protocol_is_not_followed(place: Path, origin: Origin) -> None:
    origin.commit({"n": "0"})
    volume = Volume(place)
    with HttpServer(place / "served") as server:
        server.redirect = f"file://{place}/served"
        await volume.fails(f"http://{server.place}/code.git")
    assert not volume.is_linked


@pytest.fixture
def key(place: Path) -> Path:
    path = place / "key"
    make_key(path)
    return path


async def test_ssh_with_a_key_and_a_known_host(place: Path, origin: Origin, key: Path) -> None:
    commit = origin.commit({"n": "0"})
    with ssh_server(place / "sshd", key) as port:
        kind, host, *_ = (place / "sshd/host.pub").read_text().split()
        volume = Volume(place, {
            "ssh": key.read_text().strip(), "known_hosts": f"[127.0.0.1]:{port} {kind} {host}\n"
        })  # fmt: skip
        synced = await volume.sync(f"ssh://root@127.0.0.1:{port}{origin.directory}")
        assert (synced.commit, synced.notes) == (commit, ())
        assert list(volume.private.iterdir()) == []

        wrong = (place / "key.pub").read_text().split()[1]
        volume = Volume(place, {"known_hosts": f"[127.0.0.1]:{port} {kind} {wrong}\n"})
        error = await volume.fails(f"ssh://root@127.0.0.1:{port}{origin.directory}#dev")
    assert "ssh key is not the known one" in error.why


async def test_ssh_with_another_key_is_not_let_in(place: Path, origin: Origin, key: Path) -> None:
    origin.commit({"n": "0"})
    make_key(place / "other")
    volume = Volume(place, {"ssh-privatekey": (place / "other").read_text()})
    with ssh_server(place / "sshd", key) as port:
        error = await volume.fails(f"ssh://root@127.0.0.1:{port}{origin.directory}")
    assert "does not let us in" in error.why
    assert not volume.is_linked


async def test_an_unknown_ssh_server_is_trusted_once_and_it_is_said(
    place: Path, origin: Origin, key: Path
) -> None:
    origin.commit({"n": "0"})
    volume = Volume(place, {"ssh": key.read_text()})
    with ssh_server(place / "sshd", key) as port:
        url = f"ssh://root@127.0.0.1:{port}{origin.directory}"
        synced = await volume.sync(url)
        assert "taken on trust" in synced.notes[0]
        assert {path.name for path in volume.private.iterdir()} == {"met_hosts"}
        met = (volume.private / "met_hosts").read_text()
        # Another server at that address: the same as a new key of its own.
        make_key(place / "imposter")
        other = (place / "imposter.pub").read_text().split()[1]
        mine = (place / "sshd/host.pub").read_text().split()[1]
        assert mine in met
        (volume.private / "met_hosts").write_text(met.replace(mine, other))
        assert "ssh key is not the known one" in (await volume.fails(url)).why
    assert (volume.shown / "n").read_text() == "0"


async def test_what_is_left_out_is_said(place: Path, origin: Origin) -> None:
    origin.commit({".gitmodules": '[submodule "x"]\n', ".gitattributes": "*.bin filter=lfs\n",
                   "a.bin": "version https://git-lfs.github.com/spec/v1\n"})  # fmt: skip
    volume = Volume(place)
    with git_daemon(place / "served") as url:
        synced = await volume.sync(f"{url}/code.git")
    assert [note.partition(" ")[0] for note in synced.notes] == ["Its", "Files"]
    assert (volume.shown / "a.bin").read_text().startswith("version ")


async def test_a_hostile_tree_writes_nothing_elsewhere(place: Path, origin: Origin) -> None:
    outside = place / "outside"
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    blob = origin.git("hash-object", "-w", "--stdin", into="owned")
    aim = origin.git("hash-object", "-w", "--stdin", into=str(outside))
    tree = origin.git("mktree", into=f"100644 blob {blob}\tfile\n")
    for number, entries in enumerate((
        f"120000 blob {aim}\tdata\n040000 tree {tree}\tdata\n",
        f"100644 blob {blob}\t..\n",
        f"040000 tree {tree}\t.git\n",
        f"120000 blob {aim}\t.gitattributes\n",
    )):  # fmt: skip
        origin.commit_tree(_tree(origin, entries), f"bad{number}")
    volume = Volume(place)
    with git_daemon(place / "served") as url:
        for number in range(4):
            with suppress(VolumeError):  # refused, which is as good
                await volume.sync(f"{url}/code.git#bad{number}")
    assert list(outside.iterdir()) == []
    assert {path.name for path in place.iterdir()} == {"outside", "served", "root", "private"}
    assert all(re.fullmatch(r"code|rev-[0-9a-f]{40}", name) for name in volume.names())


def _tree(origin: Origin, entries: str) -> str:
    """A tree as no well-meaning git would write it."""
    raw = bytearray()
    for line in entries.splitlines():
        head, _, name = line.partition("\t")
        mode, _, name_of = head.split()
        raw += f"{mode.lstrip('0')} {name}".encode() + b"\0" + bytes.fromhex(name_of)
    file = origin.directory / "raw"
    file.write_bytes(raw)
    return origin.git("hash-object", "-w", "-t", "tree", "--literally", str(file))


async def test_a_repository_that_is_too_large_is_given_up(place: Path, origin: Origin) -> None:
    origin.commit({"n": "n" * 5_000_000})
    volume = Volume(place)
    with git_daemon(place / "served") as url:
        error = await volume.fails(f"{url}/code.git", Bounds(size=1_000_000))
    assert "larger than" in error.why
    assert volume.names() == set()


async def test_what_is_in_the_way_of_the_link_stays(place: Path, origin: Origin) -> None:
    origin.commit({"n": "0"})
    volume = Volume(place)
    (volume.root / "datasets/code").mkdir(parents=True)
    with git_daemon(place / "served") as url:
        error = await volume.fails(f"{url}/code.git")
    assert "is taken" in error.why
    assert (volume.root / "datasets/code").is_dir()
    assert not volume.is_linked
    assert volume.names() == set()


async def test_an_interrupted_attempt_leaves_nothing_behind(place: Path, origin: Origin) -> None:
    commit = origin.commit({"n": "0"})
    volume = Volume(place)
    volume.directory.mkdir(parents=True)
    descriptor = os.open(volume.directory, os.O_RDONLY)
    for name in [".new-0123", *["d"] * 1500]:
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    with git_daemon(place / "served") as url:
        await volume.sync(f"{url}/code.git")
    assert volume.names() == {"code", f"rev-{commit}"}


async def test_a_tree_that_is_none_is_an_error_of_the_volume(place: Path) -> None:
    volume = Volume(place)
    (place / "root").write_text("no directory")
    error = await volume.fails("https://127.0.0.1/code.git")
    assert "gitsync/code" in error.why


async def test_its_turn_is_waited_for_before_anything_is_fetched(
    place: Path, origin: Origin
) -> None:
    origin.commit({"n": "0"})
    volume, turns = Volume(place), trio.CapacityLimiter(1)

    @asynccontextmanager
    async def turn() -> AsyncIterator[None]:
        waits.set()
        async with turns:
            yield

    with git_daemon(place / "served") as url, trio.fail_after(PATIENCE):
        waits = trio.Event()
        step = volume.step(f"{url}/code.git")
        sync = partial(sync_once, step, volume.root, volume.private, turn=turn)
        async with trio.open_nursery() as nursery, turns:
            nursery.start_soon(sync)
            await waits.wait()
            await until(lambda: turns.statistics().tasks_waiting == 1)
            assert volume.names() == set()
    assert volume.is_linked
