"""What a mount needs of the machine: FUSE, memory, open files, a directory to write in.

Owns these checks. Changes nothing, and looks only where the ``Machine`` says. Called by ``run``.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat

from phfs.config import MountConfig, defaults
from phfs.config.defaults import MEBIBYTE
from phfs.doctor.examination import Verdict, fail, ok, warn
from phfs.machine import BESIDE_DATA, LEAST_DESCRIPTORS, Machine

USUAL_PAGES = 256
"""Pages of the largest request: 1 MiB, as large as the mount wants them."""

LEAST_DISK = 1 * MEBIBYTE
SHORT_DISK = 64 * MEBIBYTE
"""Room for journals, which are small, and for two logs of 10 MiB."""

_CONTAINER = "a container needs --device /dev/fuse --cap-add SYS_ADMIN"


def fuse(machine: Machine) -> Verdict:
    """Whether the kernel's FUSE is there and may be used."""
    device = machine.fuse_device
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return fail(f"there is no {device}", f"On a machine run modprobe fuse; {_CONTAINER}.")
    except OSError as error:
        return fail(
            f"{device} cannot be opened ({error.strerror})",
            f"Have root allow you to read and write it; {_CONTAINER}.",
        )
    mode = stat.filemode(os.stat(device).st_mode)
    return ok(f"{device} can be opened ({mode})")


def fusermount(machine: Machine) -> Verdict:
    """Whether somebody can mount for a user who is not root."""
    program = machine.fusermount
    if machine.is_root:
        return ok("root mounts without fusermount3")
    install = "Install it with apt-get install fuse3 (as root)."
    if program is None:
        return fail("fusermount3, which mounts for who is not root, is missing", install)
    found = os.stat(program)
    if not (found.st_mode & stat.S_ISUID and found.st_uid == 0):
        return fail(
            f"{program} does not run as root",
            f"Have root say chown root '{program}' and chmod 4755 '{program}'.",
        )
    return ok(f"{program} runs as root")


def allow_other(machine: Machine, config: MountConfig) -> Verdict:
    """Whether other users can be let in, where that is asked for."""
    if not config.allow_other or machine.is_root:
        return ok("is not needed")
    try:
        lines = machine.fuse_conf.read_text().splitlines()
    except OSError:
        lines = []
    if "user_allow_other" in (line.strip() for line in lines):
        return ok(f"{machine.fuse_conf} has user_allow_other")
    return fail(
        f"--allow-other needs the line user_allow_other in {machine.fuse_conf}",
        "Have root add it, or mount without --allow-other.",
    )


def kernel(machine: Machine) -> Verdict:
    """How large the kernel's requests may be."""
    name = f"Linux {platform.release()}"
    try:
        pages = int((machine.fuse_limits / "max_pages_limit").read_text())
    except (OSError, ValueError):
        return ok(f"{name}, requests of up to 1 MiB")
    if pages < USUAL_PAGES:
        return warn(
            f"{name}, requests of at most {pages * 4} KiB: reading and writing is slower",
            f"Have root say sysctl fs.fuse.max_pages_limit={USUAL_PAGES}.",
        )
    return ok(f"{name}, requests of up to 1 MiB (max_pages_limit {pages})")


def memory(machine: Machine, config: MountConfig) -> Verdict:
    """Whether the memory limit can be kept here."""
    limit, allowed = config.memory_limit, machine.memory_allowed
    there = machine.memory if allowed is None else min(machine.memory, allowed)
    whose = "this machine has" if there == machine.memory else "the container may use"
    room = f"{whose} {there // MEBIBYTE} MiB in all"
    least = defaults.memory_limit(allowed)
    if limit > max(least, there - BESIDE_DATA):
        most = max(least, there - BESIDE_DATA) // MEBIBYTE
        return fail(
            f"--memory-limit {limit // MEBIBYTE} cannot be kept: {room}",
            f"Give --memory-limit {most} or less.",
        )
    if limit + BESIDE_DATA > there:
        return warn(
            f"a mount may take {(limit + BESIDE_DATA) // MEBIBYTE} MiB, and {room}",
            "Give the container more memory, or mount with a smaller --memory-limit.",
        )
    return ok(f"{limit // MEBIBYTE} MiB for data, and {room}")


def open_files(machine: Machine) -> Verdict:
    """Whether a process may have enough files open."""
    if machine.descriptors is not None and machine.descriptors < LEAST_DESCRIPTORS:
        return fail(
            f"a process may have {machine.descriptors} files open, a mount needs "
            f"{LEAST_DESCRIPTORS}",
            "Raise the hard limit: ulimit -Hn in a shell, LimitNOFILE= for systemd, --ulimit "
            "nofile= for a container.",
        )
    count = "any number" if machine.descriptors is None else str(machine.descriptors)
    return ok(f"{count} per process")


def state_directory(config: MountConfig) -> Verdict:
    """Whether log and journal can be written, and there is room for them."""
    wanted = config.state_dir
    there = next(place for place in (wanted, *wanted.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
        return fail(
            f"{there} may not be written by you",
            "Give a directory of your own with --state-dir.",
        )
    free = shutil.disk_usage(there).free
    words = f"{wanted}, {free // MEBIBYTE} MiB free"
    room = "Make room there, or give another directory with --state-dir."
    if free < LEAST_DISK:
        return fail(f"{words}: the journal of uploads cannot be written", room)
    if free < SHORT_DISK:
        return warn(f"{words}: the log may not be written", room)
    return ok(words if there == wanted else f"{words}, is made by the first mount")
