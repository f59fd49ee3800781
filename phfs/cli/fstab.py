"""``mount.fuse.phfs``: how mount(8) starts a mount, from /etc/fstab or by ``mount -t fuse.phfs``.

mount(8) calls it as ``SOURCE DIR [-sfnv] [-N NAMESPACE] [-t TYPE] [-o OPTIONS]`` if it is in /sbin;
otherwise mount.fuse3 calls ``phfs SOURCE DIR -o OPTIONS``. Both end here, and go on as
``phfs-mount``. Exit codes are mount(8)'s: 0 mounted, 1 called wrongly, 32 the mount failed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from urllib.parse import quote

from phfs.cli import arguments, mount, mount_options
from phfs.commandline import UsageError, say, sentence_of
from phfs.config import MountConfig
from phfs.errors import ConfigError
from phfs.system import mounts

PROG = "mount.fuse.phfs"

_CALLED_WRONGLY, _FAILED = 1, 32
"""mount(8), "EXIT STATUS"."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's) and return its exit code."""
    # What a machine mounts is the same whoever asks for it: mount.fuse3 sets HOME, mount(8) none.
    for name in list(os.environ):
        if name in ("HOME", "XDG_CONFIG_HOME") or name.startswith("PHFS_"):
            del os.environ[name]
    try:
        words, fake = _words_of(list(sys.argv[1:] if argv is None else argv))
        config = arguments.parse(words, os.environ)
        if fake or _is_mounted(config):
            return 0
    except (UsageError, ConfigError) as error:
        say(PROG, sentence_of(error) if isinstance(error, ConfigError) else str(error))
        return _CALLED_WRONGLY
    code = mount.main(words)
    return {0: 0, 2: _CALLED_WRONGLY}.get(code, _FAILED)


def _is_mounted(config: MountConfig) -> bool:
    """Whether it is there already. mount(8) knows that of a source which is written as it is shown,
    and calls for the others again with each ``mount -a``."""
    there = mounts.mounts_at(config.mountpoint)
    if not there or there[-1].fstype != mounts.FSTYPE or mounts.is_dead(config.mountpoint):
        return False
    return there[-1].source == quote(config.source, safe=":/")


def _words_of(words: list[str]) -> tuple[list[str], bool]:
    """Arguments of ``phfs-mount``, and whether mount(8) wants nothing to be done."""
    if any("remount" in word.split(",") for word in words):
        mount_options.texts_of(["remount"])  # refuses it; mount(8) leaves the source out
    if len(words) < 2 or words[0].startswith("-") or words[1].startswith("-"):
        raise UsageError(
            "This is for mount(8), which calls it with a source and a directory: use "
            "mount -t fuse.phfs SOURCE DIR -o OPTIONS, or phfs-mount."
        )
    # A mount in the foreground would keep mount(8) waiting, whatever a file says.
    kept, fake, rest = [words[0], words[1], "--no-foreground"], False, words[2:]
    while rest:
        word = rest.pop(0)
        if word in ("-o", "-t", "-N"):
            value = rest.pop(0) if rest else ""
            kept += [word, value] if word == "-o" else []
        elif word.startswith("-") and set(word[1:]) <= set("sfnv"):
            fake = fake or "f" in word
        else:
            raise UsageError(f"{word} is nothing that mount(8) says.")
    return kept, fake


if __name__ == "__main__":
    sys.exit(main())
