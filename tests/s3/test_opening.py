"""A place without a mount: what is said of the place as a whole, and what of one object."""

from __future__ import annotations

from pathlib import Path

import pytest

from phfs.config import load
from phfs.errors import (
    AccessDenied,
    BadCredentials,
    ConnectionFailed,
    Corrupted,
    NoSuchBucket,
    NoSuchKey,
    StoreError,
    WrongClock,
)
from phfs.s3 import opening


def told(error: StoreError, tmp_path: Path) -> StoreError:
    given = {"bucket": "b", "group": "g", "mountpoint": "/", "state_dir": str(tmp_path)}
    config = load({**given, "endpoint_url": "http://127.0.0.1:9"}, {})
    with pytest.raises(StoreError) as caught, opening.refusals(config):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "why", "advice"),
    [
        (NoSuchBucket("x"), "There is no bucket 'b' at http://127.0.0.1:9.", "--endpoint-url"),
        (BadCredentials("x"), "http://127.0.0.1:9 refuses the keys: x.", "Check the access key"),
        (WrongClock("x"), "http://127.0.0.1:9 cannot be used: x.", "Set this machine's clock."),
        (ConnectionFailed("x"), "http://127.0.0.1:9 cannot be used: x.", "Check --endpoint-url"),
    ],
)
def test_what_is_wrong_with_the_place(
    error: StoreError, why: str, advice: str, tmp_path: Path
) -> None:
    found = told(error, tmp_path)
    assert type(found) is type(error)
    assert found.why == why
    assert advice in found.advice


@pytest.mark.parametrize("kind", [AccessDenied, NoSuchKey, Corrupted])
def test_what_is_wrong_with_one_object_stays_as_it_is(
    kind: type[StoreError], tmp_path: Path
) -> None:
    error = kind("x")
    assert told(error, tmp_path) is error
