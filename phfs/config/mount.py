"""The table of options: every field of ``MountConfig`` is one, defined here and nowhere else.

The name gives ``--part-size``, ``PHFS_PART_SIZE`` and ``part_size`` in a file; the field's metadata
the kind of value and the help; the field's default the default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path

from phfs.config import defaults, kinds
from phfs.config.defaults import MEBIBYTE
from phfs.config.option import Row, flag, option, option_of, variable
from phfs.errors import ConfigError

__all__ = ["OPTIONS", "MountConfig", "flag", "group_directory", "option_of", "variable"]


@dataclass(frozen=True, kw_only=True)
class MountConfig:
    """Everything one mount is made from, checked. Sizes are bytes, durations seconds.

    Made by ``load``; whoever makes one directly gives checked values.
    """

    bucket: str = option(kinds.BUCKET, "the bucket's name", positional=True)
    mountpoint: Path = option(
        kinds.MOUNTPOINT,
        "an empty directory; or /dev/fd/N, a descriptor of /dev/fuse that the caller has mounted",
        positional=True,
    )
    group: str | None = option(
        kinds.GROUP,
        "show the objects of this group: those under groups/GROUP/, with '_' as '-' and in "
        "small letters",
        default=None,
    )
    prefix: str = option(
        kinds.PREFIX,
        "show the objects whose keys begin with this, instead of a group's",
        shown="groups/GROUP/",
    )
    endpoint_url: str | None = option(
        kinds.ENDPOINT,
        "where the store answers",
        default=None,
        shown="AWS_ENDPOINT_URL, else AWS's for the region",
        aws_variables=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    )
    region: str | None = option(
        kinds.REGION, "the bucket's region", default=None, shown="as AWS's tools find it"
    )
    profile: str | None = option(
        kinds.PROFILE,
        "the profile in AWS's shared files from which keys and region come",
        default=None,
    )
    path_style: str = option(
        kinds.choice("auto", "on", "off"),
        "whether the bucket is named in the URL's path (on) or in its host (off)",
        default="auto",
        shown="auto",
    )
    ca_bundle: Path | None = option(
        kinds.FILE,
        "certificates (PEM) that vouch for the store's",
        default=None,
        shown="AWS_CA_BUNDLE, else the system's",
        aws_variables=("AWS_CA_BUNDLE",),
    )
    credentials_file: Path | None = option(
        kinds.FOLLOWED_FILE,
        "a file with the keys, in the format of ~/.aws/credentials; followed when it changes",
        default=None,
    )
    access_key_id: str | None = option(kinds.SECRET, "the access key", default=None, secret=True)
    secret_access_key: str | None = option(
        kinds.SECRET, "the secret key", default=None, secret=True
    )
    session_token: str | None = option(
        kinds.SECRET, "the token of a temporary key", default=None, secret=True
    )
    read_only: bool = option(kinds.ON_OFF, "refuse every change", default=False, switch=True)
    noexec: bool = option(
        kinds.ON_OFF, "let no program in it be run, whatever its mode", default=False, switch=True
    )
    metadata_ttl: float = option(
        kinds.seconds(0, 86_400),
        "how old a listing or an attribute may be",
        default=1.0,
        shown="1",
    )
    memory_limit: int = option(
        kinds.whole(
            defaults.LEAST_MEMORY // MEBIBYTE,
            1024**2,
            "MiB",
            scale=MEBIBYTE,
            sample=defaults.USUAL_MEMORY // MEBIBYTE,
        ),
        "memory for the data of all open files together, in MiB",
        compute=lambda: defaults.memory_limit(defaults.cgroup_memory_limit()),
        shown="512, or half of the container's limit if that is less",
    )
    # S3 takes parts from 5 MiB to 5 GiB (S3 user guide, "Amazon S3 multipart upload limits").
    part_size: int = option(
        kinds.whole(5, 5 * 1024, "MiB", scale=MEBIBYTE),
        "size of the parts of a large upload, in MiB; grows with the file",
        default=8 * MEBIBYTE,
        shown="8",
    )
    uid: int = option(kinds.USER_ID, "the owner of everything", compute=os.getuid, shown="yours")
    gid: int = option(kinds.USER_ID, "the group of everything", compute=os.getgid, shown="yours")
    file_mode: int = option(kinds.MODE, "permission bits of files", default=0o644, shown="0644")
    dir_mode: int = option(
        kinds.MODE, "permission bits of directories", default=0o755, shown="0755"
    )
    allow_other: bool = option(kinds.ON_OFF, "let other users in, too", default=False, switch=True)
    dir_markers: bool = option(
        kinds.ON_OFF,
        "whether mkdir stores an object, which keeps an empty directory",
        default=True,
        shown="on",
    )
    rename_limit: int = option(
        kinds.whole(0, 10**9, "objects"),
        "a directory of more objects is not renamed but left to mv to copy",
        default=5_000,
        shown="5000",
    )
    timeout: float = option(
        kinds.seconds(0.1, 3_600),
        "how long a request may make no progress",
        default=20.0,
        shown="20",
    )
    retry_deadline: float = option(
        kinds.seconds(0.1, 3_600),
        "how long a request is tried again before the program sees an error",
        default=60.0,
        shown="60",
    )
    drain_seconds: float = option(
        kinds.seconds(0, 3_600),
        "how long after SIGTERM open files may still be finished",
        default=25.0,
        shown="25",
    )
    state_dir: Path = option(
        kinds.DIRECTORY,
        "where the log and the journal of uploads are kept",
        compute=lambda: defaults.state_dir(is_root=os.geteuid() == 0),
        shown="/var/lib/phfs for root, else ~/.local/state/phfs; with --run-as /var/lib/phfs-UID",
    )
    run_as: tuple[int, int] | None = option(
        kinds.RUN_AS,
        "mount as root, but serve as this user, without any privilege",
        default=None,
    )
    supervise: bool | None = option(
        kinds.ON_OFF,
        "start the mount again when its process dies",
        default=None,
        shown="unless --foreground",
        switch=True,
        negated=True,
    )
    keep_dead: bool = option(
        kinds.ON_OFF, "mount upon what is dead there, which stays", default=False, switch=True
    )
    storage_class: str | None = option(
        kinds.STORAGE_CLASS, "storage class of new objects", default=None, shown="the bucket's"
    )
    sse: str | None = option(
        kinds.choice("AES256", "aws:kms", "aws:kms:dsse"),
        "server-side encryption of new objects",
        default=None,
        shown="the bucket's",
    )
    sse_kms_key: str | None = option(
        kinds.KMS_KEY, "the key for --sse aws:kms", default=None, shown="the account's"
    )
    log_level: str = option(
        kinds.choice("debug", "info", "warning", "error"),
        "how much is logged",
        default="info",
        shown="info",
    )
    log_format: str = option(
        kinds.choice("text", "json"),
        "lines for people, or one JSON object per line for programs",
        default="text",
        shown="text",
    )
    show_file: Path | None = option(
        kinds.COMING_FILE,
        "a file that is shown in the mount's .phfs, as it is at the time, under its own name",
        default=None,
    )
    foreground: bool = option(
        kinds.ON_OFF,
        "stay in the foreground and log to the terminal",
        default=False,
        switch=True,
        short="-f",
    )

    @property
    def supervised(self) -> bool:
        """Whether a process watches over the one that serves."""
        return not self.foreground if self.supervise is None else self.supervise

    @property
    def descriptor(self) -> int | None:
        """The descriptor of /dev/fuse, where the caller has mounted it already."""
        text = str(self.mountpoint)
        return int(text.rpartition("/")[2]) if text.startswith("/dev/fd/") else None

    @property
    def log_file(self) -> Path:
        """Where a mount in the background logs: one file per mount point, in ``state_dir``."""
        path = str(self.mountpoint)
        readable = path.strip("/").replace("/", "-")[:40]
        return self.state_dir / f"{readable}-{sha256(os.fsencode(path)).hexdigest()[:8]}.log"

    @property
    def source(self) -> str:
        """What is mounted, as ``mount`` and ``df`` show it."""
        return f"s3://{self.bucket}/{self.prefix}"


OPTIONS: tuple[Row, ...] = fields(MountConfig)

BY_NAME = {row.name: row for row in OPTIONS}


def group_directory(name: str) -> str:
    """The directory of a group under ``groups/``: every ``_`` is a ``-``, capitals become small.

    Raises ``ConfigError`` for a name that cannot be a directory.
    """
    if not kinds.is_group(name):
        raise ConfigError(f"{name!r} cannot be a group: give {kinds.GROUP.expected}.")
    return name.replace("_", "-").lower()
