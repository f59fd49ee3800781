from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from phfs import allocator, errors, mount
from phfs.config import MountConfig
from phfs.first_reason import first_reason
from phfs.fuse.failures import Failures
from phfs.s3.faults import Call, FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.vfs.filesystem import FileSystemOptions, open_filesystem

CONFIG = MountConfig(
    bucket="primehub",
    mountpoint=Path("/phfs"),
    prefix="groups/phusers/",
    endpoint_url="http://minio:9000",
    access_key_id="AKIDEXAMPLE",
    secret_access_key="the-secret-key",
    session_token="the-token",
    metadata_ttl=3.0,
    memory_limit=64 << 20,
    part_size=6 << 20,
    read_only=True,
    dir_markers=False,
    rename_limit=7,
    retry_deadline=60.0,
    timeout=9.0,
)


def now() -> float:
    return 1_700_000_000.0


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryStore(now))


# -- the check before the mount ------------------------------------------------------------------


async def test_one_listing_of_one_name_is_all_that_is_asked(store: FaultyStore) -> None:
    await mount.check(store, CONFIG)
    assert store.calls == [Call("list_page", "groups/phusers/")]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (errors.NoSuchBucket("?"), ["no bucket 'primehub' at http://minio:9000", "bucket's name"]),
        (errors.BadCredentials("The signature is wrong"), ["refuses the keys", "secret key"]),
        (errors.WrongClock("The clock is wrong"), ["cannot be used", "Set this machine's clock"]),
        (errors.WrongRegion("It is in another"), ["cannot be used", "--region"]),
        (errors.AccessDenied("?"), ["may not list s3://primehub/groups/phusers/", "--group"]),
        (errors.InvalidRequest("400 BadDigest"), ["http://minio:9000", "400 BadDigest"]),
    ],
)
async def test_what_the_check_says(
    store: FaultyStore, failure: errors.StoreError, words: list[str]
) -> None:
    store.fail(failure)
    with pytest.raises(errors.MountError) as caught:
        await mount.check(store, CONFIG)
    sentence = f"{caught.value.why} {caught.value.advice}"
    for word in words:
        assert word in sentence
    assert "the-secret-key" not in sentence


async def test_a_store_that_refuses_connections_is_not_waited_for_long(
    store: FaultyStore, autojump_clock: trio.abc.Clock
) -> None:
    failure = errors.ConnectionFailed("the connection to minio:9000 failed (Connection refused)")
    store.fail(failure, times=math.inf)
    begun = trio.current_time()
    with pytest.raises(errors.MountError, match="Connection refused") as caught:
        await mount.check(store, CONFIG)
    assert "--endpoint-url" in caught.value.advice
    assert trio.current_time() - begun <= mount.CHECK_SECONDS


async def test_a_cause_that_knows_better_what_to_do_is_believed(
    store: FaultyStore, autojump_clock: trio.abc.Clock
) -> None:
    store.fail(errors.ConnectionFailed("no trust", "Give --ca-bundle."), times=math.inf)
    with pytest.raises(errors.MountError) as caught:
        await mount.check(store, CONFIG)
    assert caught.value.advice == "Give --ca-bundle."


async def test_a_store_that_never_answers(
    store: FaultyStore, autojump_clock: trio.abc.Clock
) -> None:
    store.latency = 3_600.0
    with pytest.raises(errors.MountError):
        await mount.check(store, CONFIG)
    assert trio.current_time() <= mount.CHECK_SECONDS + 1


# -- what the parts are made from ----------------------------------------------------------------


def test_the_file_system_gets_the_options_that_concern_it() -> None:
    failures = Failures(now)
    assert mount.filesystem_options(CONFIG, failures) == FileSystemOptions(
        metadata_ttl=3.0,
        memory_limit=64 << 20,
        part_size=6 << 20,
        read_only=True,
        dir_markers=False,
        rename_limit=7,
        max_key=1024 - len("groups/phusers/"),
        report=failures.report,
        give_back=allocator.give_back,
    )


async def test_the_status_is_plain_and_tells_no_secret(store: FaultyStore) -> None:
    failures = Failures(now)
    async with open_filesystem(store, FileSystemOptions(), now=now) as fs:
        shown = mount.status(CONFIG, failures, fs, {"get": 3, "bytes.in": 10})
    text = json.dumps(shown)
    for secret in ("the-secret-key", "the-token", "AKIDEXAMPLE"):
        assert secret not in text
    assert shown["mount_point"] == "/phfs"
    assert shown["bucket"] == "primehub"
    assert shown["prefix"] == "groups/phusers/"
    assert shown["endpoint"] == "http://minio:9000"
    assert shown["read_only"] is True
    assert shown["requests"] == {"bytes.in": 10, "get": 3}
    assert {"ignored_keys", "shadowed_files", "limits"} <= shown.keys()


# -- how it ends ---------------------------------------------------------------------------------


def failing_with(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        with first_reason():
            raise error

    return fail


def test_a_group_of_one_reason_is_that_reason() -> None:
    reason = errors.MountError("why")
    group = BaseExceptionGroup("", [ExceptionGroup("", [reason])])
    with pytest.raises(errors.MountError) as caught:
        failing_with(group)()
    assert caught.value is reason


def test_a_defect_is_not_hidden_by_a_reason() -> None:
    group = ExceptionGroup("", [errors.MountError("why"), ValueError("bug")])
    with pytest.raises(ExceptionGroup) as caught:
        failing_with(group)()
    assert caught.value is group


def test_without_keys_nothing_is_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    config = MountConfig(bucket="b", mountpoint=tmp_path, prefix="groups/g/")

    def ready() -> None:
        raise AssertionError("it was mounted")

    with pytest.raises(errors.ConfigError, match="AWS_ACCESS_KEY_ID"):
        mount.run(config, ready)
