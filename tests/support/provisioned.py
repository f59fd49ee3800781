"""``phfs provision``, and the keys it makes.

Runs the command in this process: its libraries take a second to import. Called by tests.
"""

from __future__ import annotations

import contextlib
import io
import shlex
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from phfs.cli.main import main
from tests.support.minio import Keys, MinioServer
from tests.support.mounted import Place


class Done(NamedTuple):
    """What a run of the command left."""

    returncode: int
    stdout: str
    stderr: str


def provision(minio: MinioServer, *words: str, variables: Mapping[str, str] | None = None) -> Done:
    """Run the command with root's keys of a server and what is given beside them; an empty
    variable is not set."""
    environ = {
        "HOME": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PHFS_ENDPOINT_URL": minio.endpoint_url,
        "PHFS_ACCESS_KEY_ID": minio.access_key,
        "PHFS_SECRET_ACCESS_KEY": minio.secret_key,
        **(variables or {}),
    }
    said, warned = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(warned),
    ):
        for name, text in environ.items():
            patch.setenv(name, text)
        code = main(["provision", *words])
    return Done(code, said.getvalue(), warned.getvalue())


def variables_of(text: str) -> dict[str, str]:
    """The variables that ``--format env`` prints, as a shell reads them."""
    pairs = (shlex.split(line)[0].partition("=") for line in text.splitlines())
    return {name: value for name, _, value in pairs}


def provisioned_place(minio: MinioServer, bucket: str, group: str, *words: str) -> Place:
    """A group with keys that the command made."""
    done = provision(minio, bucket, "--group", group, "--lifecycle-days=0", *words)
    assert done.returncode == 0, done.stderr
    made = variables_of(done.stdout)
    keys = Keys(made["PHFS_ACCESS_KEY_ID"], made["PHFS_SECRET_ACCESS_KEY"])
    return Place(minio.endpoint_url, bucket, group, keys)
