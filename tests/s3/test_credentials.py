"""Credentials that follow their source, and what holds while the source gives nothing."""

from __future__ import annotations

import datetime
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials

from phfs.errors import BadCredentials, ConfigError
from phfs.s3 import credentials as module
from phfs.s3.credentials import FileCredentials, SourceCredentials

SECRET = "the secret of the test"


@pytest.fixture
def now() -> list[float]:
    """The clock of the credentials, which the test moves."""
    return [1000.0]


def following(file: Path, now: list[float], section: str = "default") -> FileCredentials:
    return FileCredentials(file, section, clock=lambda: now[0])


def text(key: str, section: str = "default", token: str = "") -> str:
    last = f"aws_session_token = {token}\n" if token else ""
    return f"[{section}]\naws_access_key_id = {key}\naws_secret_access_key = s-{key}\n{last}"


def replace_with(file: Path, content: str) -> None:
    """As Kubernetes does it: nobody ever sees half a file."""
    other = file.with_name("other")
    other.write_text(content)
    other.replace(file)


def key_of(credentials: Credentials) -> str | None:
    return credentials.get_frozen_credentials().access_key


# -- files -----------------------------------------------------------------------------------------


def test_a_file_that_is_replaced(tmp_path: Path, now: list[float]) -> None:
    file = tmp_path / "keys"
    file.write_text(text("a", "lab", token="t"))
    keys = following(file, now, "lab")
    assert keys.get_frozen_credentials()[:3] == ("a", "s-a", "t")
    replace_with(file, text("b", "lab"))
    assert not keys.refresh_needed()
    assert key_of(keys) == "a"
    now[0] += 1.0
    assert keys.refresh_needed()
    assert keys.get_frozen_credentials()[:3] == ("b", "s-b", None)
    assert not keys.refresh_needed()


def test_a_link_that_is_turned(tmp_path: Path, now: list[float]) -> None:
    """A Secret in a pod: ``keys`` -> ``..data/keys``, and ``..data`` is what changes."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "keys").write_text(text(version))
    (tmp_path / "..data").symlink_to("1")
    (tmp_path / "keys").symlink_to("..data/keys")
    keys = following(tmp_path / "keys", now)
    assert key_of(keys) == "1"
    (tmp_path / "..new").symlink_to("2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    now[0] += 1.0
    assert key_of(keys) == "2"


def test_a_file_whose_token_no_header_can_hold(tmp_path: Path, now: list[float]) -> None:
    file = tmp_path / "keys"
    file.write_text(text("a", token="planted\ttoken"))
    with pytest.raises(ConfigError, match="the session token has a line break") as caught:
        following(file, now)
    assert str(file) in caught.value.why
    assert "planted" not in repr(caught.value)


HALVES = ["", "[defau", "[default]\naws_access_key_id = b\n", "[default]\naws_acc\x80ess", "no ini"]


@pytest.mark.expects_log
@pytest.mark.parametrize("half", [*HALVES, None])
def test_half_a_file_leaves_the_old_keys_and_is_told_once(
    tmp_path: Path, now: list[float], half: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    file.write_text(text("a"))
    keys = following(file, now)
    if half is None:
        file.unlink()
    else:
        file.write_bytes(half.encode("latin-1"))
    for _ in range(3):
        now[0] += 1.0
        assert key_of(keys) == "a"
        assert not keys.renew(keys.get_frozen_credentials())
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 1
    assert str(file) in warned[0]
    assert "s-b" not in warned[0]
    file.write_text(text("c"))
    now[0] += 1.0
    assert key_of(keys) == "c"
    file.write_text("")
    now[0] += 1.0
    assert key_of(keys) == "c"
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 2


def test_a_refusal_looks_at_once(tmp_path: Path, now: list[float]) -> None:
    file = tmp_path / "keys"
    file.write_text(text("a"))
    keys = following(file, now)
    old = keys.get_frozen_credentials()
    assert not keys.renew(old)
    replace_with(file, text("b"))
    assert keys.renew(old), "no second has passed"
    assert key_of(keys) == "b"
    assert keys.renew(old), "another request that was refused with the old keys"
    assert not keys.renew(keys.get_frozen_credentials())


@pytest.mark.parametrize("content", [*HALVES, text("a", "other"), None])
def test_no_keys_at_first(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError) as refused:
        FileCredentials(file)
    assert str(file) in refused.value.why
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("no ini file", "it is not in the format of ~/.aws/credentials"),
        ("[default]\naws_access_key_id = a\n", "under [default] one of the pair is missing"),
    ],
)
def test_what_is_no_file_of_keys_gets_our_advice(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "keys"
    file.write_text(content)
    with pytest.raises(ConfigError) as refused:
        FileCredentials(file)
    assert refused.value.why == f"The keys in {file} cannot be used: {why}."
    assert refused.value.advice.startswith("Write a line [default]")


def test_who_may_not_read_the_keys_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        FileCredentials(tmp_path / "none")
    assert f"user {os.geteuid()}, as whom this process runs" in refused.value.advice


def test_a_directory_is_no_file_of_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        FileCredentials(tmp_path)


# -- sources of botocore's -------------------------------------------------------------------------


class Issuer:
    """Gives out numbered tokens that last for a while."""

    def __init__(self, lasts: float) -> None:
        self.issued = 0
        self.lasts = lasts
        self.broken = False
        self.failed = 0
        self.now = datetime.datetime.now(datetime.UTC)

    def metadata(self) -> dict[str, Any]:
        if self.broken:
            raise RuntimeError("the issuer is away")
        self.issued += 1
        end = self.now + datetime.timedelta(seconds=self.lasts)
        return {
            "access_key": f"key-{self.issued}",
            "secret_key": SECRET,
            "token": f"token-{self.issued}",
            "expiry_time": end.isoformat(),
        }

    def find(self) -> Credentials:
        if self.broken:
            self.failed += 1
            raise ConfigError("The keys for the object store cannot be had: away.")
        found = RefreshableCredentials.create_from_metadata(
            self.metadata(), self.metadata, "custom-process"
        )
        vars(found)["_time_fetcher"] = lambda: self.now
        return found

    def pass_by(self, seconds: float, clock: list[float]) -> None:
        self.now += datetime.timedelta(seconds=seconds)
        clock[0] += seconds


def sourced(issuer: Issuer, now: list[float]) -> SourceCredentials:
    return SourceCredentials(issuer.find(), issuer.find, clock=lambda: now[0])


def test_a_long_token_is_left_alone_until_near_its_end(now: list[float]) -> None:
    issuer = Issuer(lasts=3600)
    keys = sourced(issuer, now)
    issuer.pass_by(2600, now)
    assert not keys.refresh_needed()
    assert key_of(keys) == "key-1"
    issuer.pass_by(200, now)
    assert keys.refresh_needed()
    assert key_of(keys) == "key-2"
    assert not keys.refresh_needed()


def test_a_token_of_a_quarter_of_an_hour_is_not_renewed_for_every_request(
    now: list[float],
) -> None:
    issuer = Issuer(lasts=900)
    keys = sourced(issuer, now)
    for _ in range(900):
        issuer.pass_by(1, now)
        key_of(keys)
    assert issuer.issued <= 900 / module.EARLY_SECONDS + 2


def test_a_token_of_a_minute_never_runs_out_in_use(now: list[float]) -> None:
    issuer = Issuer(lasts=30)
    keys = sourced(issuer, now)
    for _ in range(300):
        issuer.pass_by(1, now)
        frozen = keys.get_frozen_credentials()
        assert frozen.token == f"token-{issuer.issued}"
        assert not keys._found.refresh_needed(1)  # type: ignore[attr-defined]
    assert issuer.issued < 30


@pytest.mark.expects_log
def test_an_issuer_that_is_away_matters_only_when_the_token_has_ended(
    now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    issuer = Issuer(lasts=900)
    keys = sourced(issuer, now)
    assert key_of(keys) == "key-1"
    issuer.broken = True
    for _ in range(88):
        issuer.pass_by(10, now)
        assert key_of(keys) == "key-1"
    own = [record for record in caplog.records if record.name == module.__name__]
    assert len(own) == 1
    assert "issuer is away" in own[0].getMessage()
    issuer.pass_by(100, now)
    with pytest.raises(BadCredentials, match="issuer is away"):
        keys.get_frozen_credentials()
    issuer.broken = False
    issuer.pass_by(1, now)
    assert key_of(keys) == "key-2"
    assert SECRET not in caplog.text


@pytest.mark.expects_log
def test_refused_keys_are_asked_for_anew_but_not_for_every_request(now: list[float]) -> None:
    issuer = Issuer(lasts=3600)
    keys = sourced(issuer, now)
    old = keys.get_frozen_credentials()
    assert keys.renew(old)
    assert key_of(keys) == "key-2"
    assert keys.renew(old), "another request that was refused with the old keys"
    assert issuer.issued == 2
    issuer.broken = True
    for _ in range(3):
        assert not keys.renew(keys.get_frozen_credentials())
    assert issuer.failed == 1
    now[0] += 1.0
    issuer.broken = False
    assert keys.renew(keys.get_frozen_credentials())
    assert key_of(keys) == "key-3"


def test_keys_that_do_not_end_are_asked_for_anew_when_refused(now: list[float]) -> None:
    given = [Credentials("a", "s")]
    keys = SourceCredentials(given[0], lambda: given[0], clock=lambda: now[0])
    assert not keys.refresh_needed()
    old = keys.get_frozen_credentials()
    now[0] += 1.0
    assert not keys.renew(old)
    given[0] = Credentials("b", "s")
    now[0] += 1.0
    assert keys.renew(old)
    assert keys.get_frozen_credentials() == ReadOnlyCredentials("b", "s", None)


@pytest.mark.expects_log
def test_a_source_that_has_no_keys_any_more_leaves_the_old_ones(
    now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    def nothing() -> Credentials:
        raise ConfigError("There are no keys for the object store.")

    keys = SourceCredentials(Credentials("a", "s"), nothing, clock=lambda: now[0])
    now[0] += 1.0
    assert not keys.renew(keys.get_frozen_credentials())
    assert key_of(keys) == "a"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_no_secret_in_what_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"[default]\naws_access_key_id = a\naws_secret_access_key = {SECRET}\n")
    assert SECRET not in repr(FileCredentials(file))
    assert os.path.exists(file)
