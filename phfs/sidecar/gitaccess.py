"""How git may reach a repository: its configuration, and copies of a Secret that only it can read.

Owns one private directory for each volume, outside what the pod sees. No secret is ever part of a
command line, an environment, a URL that git is given, or a checkout's own configuration. Called by
``git``.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from phfs.errors import VolumeError
from phfs.sidecar.repository import SCHEMES
from phfs.system.privileges import Identity

KEYS = ("ssh", "ssh-privatekey")
"""Names a Secret has for a private key: git-sync's, and that of kubernetes.io/ssh-auth."""

TOKEN_USER = "oauth2"  # noqa: S105 - a user's name
"""Goes with a token for which no user is given: GitLab asks for this one, GitHub takes any."""

SECRET_BYTES = 256 * 1024

_FIXED = """\
[init]
    templateDir =
[core]
    hooksPath = /dev/null
    fsmonitor = false
    attributesFile = /dev/null
    askPass =
    bigFileThreshold = 16m
    deltaBaseCacheLimit = 16m
    packedGitLimit = 32m
    packedGitWindowSize = 1m
[pack]
    threads = 1
[submodule]
    recurse = false
[fetch]
    recurseSubmodules = false
[gc]
    auto = 0
[maintenance]
    auto = false
[advice]
    detachedHead = false
[http]
    lowSpeedLimit = 1000
    lowSpeedTime = 30
[protocol]
    allow = never
"""
"""Nothing of a repository is run, and of what git can speak only the volume's own protocol. It has
the sidecar's memory, which is small: large files are copied in pieces."""

_SSH = (
    "ssh -F /dev/null -oBatchMode=yes -oIdentitiesOnly=yes -oIdentityAgent=none"
    " -oConnectTimeout=15 -oServerAliveInterval=15 -oServerAliveCountMax=3"
    " -oGlobalKnownHostsFile=/dev/null -oUpdateHostKeys=no -oForwardAgent=no"
)


@dataclass(frozen=True, kw_only=True)
class Access:
    """What git is started with. ``secrets``: texts that must not be shown."""

    environment: Mapping[str, str]
    notes: tuple[str, ...]
    secrets: tuple[str, ...] = field(repr=False)


@contextmanager
def access(
    url: str, secret: Path | None, private: Path, identity: Identity | None
) -> Iterator[Access]:
    """The private directory filled for one use, and emptied after it.

    What stays is the key of an ssh server that was met without known hosts being given. Raises
    ``VolumeError`` if the Secret cannot be used, ``OSError`` if the directory cannot be written.
    """
    given = _Secret(secret)
    private.mkdir(mode=0o750, parents=True, exist_ok=True)
    if identity is not None:
        os.chown(private, 0, identity.gid)
    desk = _Desk(private, identity)
    try:
        scheme, origin, login = _taken_apart(url, given)
        config = [_FIXED]
        notes: list[str] = []
        for allowed in ("https", "http") if scheme == "http" else (scheme,):
            config.append(f'[protocol "{allowed}"]\n    allow = always\n')
        config.append(_section("remote", "origin", {"url": origin}))
        if scheme == "ssh":
            words, notes = _ssh(desk, given)
            config.append(_section("core", None, {"sshCommand": words}))
        elif login is not None:
            config.append(_login(desk, origin, login))
        if given.has("ca.crt"):
            authority = desk.put("ca.crt", given.read("ca.crt"))
            config.append(_section("http", None, {"sslCAInfo": str(authority)}))
        yield Access(
            environment=_environment(desk.put("config", "".join(config).encode())),
            notes=tuple(notes),
            secrets=tuple(text for text in (*given.shown_never, *(login or ())[1:]) if text),
        )
    finally:
        desk.clear()


def _environment(config: Path) -> dict[str, str]:
    # Proxies and authorities are the sidecar's own, by the names that curl and git know.
    known = {
        name: text
        for name, text in os.environ.items()
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
        or name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
    }
    return known | {
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _taken_apart(url: str, given: _Secret) -> tuple[str, str, tuple[str, str] | None]:
    """The scheme, the URL without a password, and user and password if there are any."""
    if "://" not in url:
        return "ssh", url, None
    parts = urlsplit(url)
    assert parts.scheme in SCHEMES
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "ssh":
        user = f"{quote(unquote(parts.username))}@" if parts.username else ""
        return "ssh", urlunsplit(parts._replace(netloc=user + host)), None
    origin = urlunsplit(parts._replace(netloc=host))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if given.has("token"):
        password = given.text("token")
        user = given.text("username") if given.has("username") else user or TOKEN_USER
    elif given.has("username") or given.has("password"):
        user, password = given.text("username"), given.text("password")
    elif user and not password:
        # https://TOKEN@host/…
        user, password = TOKEN_USER, user
    return parts.scheme, origin, (user, password) if password else None


def _login(desk: _Desk, origin: str, login: tuple[str, str]) -> str:
    """For the volume's own host and no other, wherever it may redirect to."""
    parts = urlsplit(origin)
    file = desk.put("login", "username={}\npassword={}\n".format(*login).encode())
    # Asked to forget a login that was refused, or to keep one, it says nothing.
    helper = f'!f() {{ test "$1" != get || cat {_word(file)}; }}; f'
    return _section("credential", f"{parts.scheme}://{parts.netloc}", {"helper": helper})


def _ssh(desk: _Desk, given: _Secret) -> tuple[str, list[str]]:
    words, notes = [_SSH], []
    key = next((name for name in KEYS if given.has(name)), None)
    if key is not None:
        text = given.read(key).replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
        words.append(f"-i {_word(desk.put('key', text))}")
    if given.has("known_hosts"):
        hosts = desk.put("known_hosts", given.read("known_hosts"))
        words.append(f"-oStrictHostKeyChecking=yes -oUserKnownHostsFile={_word(hosts)}")
    else:
        hosts = desk.pinned()
        words.append(f"-oStrictHostKeyChecking=accept-new -oUserKnownHostsFile={_word(hosts)}")
        notes.append(
            "The ssh server's key was taken on trust when it was first met: put known_hosts into "
            "the Secret to have it checked."
        )
    return " ".join(words), notes


def _word(path: Path) -> str:
    """As a word of a command that git has a shell read."""
    return shlex.quote(str(path))


def _section(name: str, part: str | None, values: Mapping[str, str]) -> str:
    head = f"[{name}]" if part is None else f"[{name} {_quoted(part)}]"
    return head + "\n" + "".join(f"    {key} = {_quoted(text)}\n" for key, text in values.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Secret:
    """The files of a Secret as the pod hands them over; none at all without one."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self.shown_never: list[str] = []

    def has(self, name: str) -> bool:
        return self._directory is not None and (self._directory / name).is_file()

    def read(self, name: str) -> bytes:
        assert self._directory is not None
        try:
            with (self._directory / name).open("rb") as file:
                data = file.read(SECRET_BYTES + 1)
        except OSError as error:
            raise VolumeError(f"The Secret's {name} cannot be read ({error.strerror}).") from None
        if not data or len(data) > SECRET_BYTES:
            raise VolumeError(f"The Secret's {name} is empty or larger than {SECRET_BYTES} bytes.")
        return data

    def text(self, name: str) -> str:
        """A text of one line. Raises ``VolumeError`` if it is missing or something else."""
        if not self.has(name):
            raise VolumeError(
                f"The Secret has no {name}.", "Give it a token, or both username and password."
            )
        text = self.read(name).decode(errors="replace").strip()
        if not text or not text.isprintable():
            raise VolumeError(f"The Secret's {name} is not one line of text.")
        if name != "username":
            self.shown_never.append(text)
        return text


class _Desk:
    """The private directory. It is root's, so that git cannot change what it is given."""

    def __init__(self, directory: Path, identity: Identity | None) -> None:
        self._directory = directory
        self._identity = identity
        self._put: list[Path] = []

    def put(self, name: str, data: bytes) -> Path:
        path = self._directory / name
        with suppress(FileNotFoundError):
            path.unlink()
        self._put.append(path)
        self._create(path, 0o400, data)
        return path

    def pinned(self) -> Path:
        """A file that stays, into which ssh writes the keys of servers."""
        path = self._directory / "met_hosts"
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                path.unlink()
        except FileNotFoundError:
            self._create(path, 0o600, b"")
        return path

    def clear(self) -> None:
        for path in self._put:
            with suppress(FileNotFoundError):
                path.unlink()

    def _create(self, path: Path, mode: int, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            # Whose it is before it is written matters not: nobody else can open it at any time.
            if self._identity is not None:
                os.fchown(descriptor, *self._identity)
