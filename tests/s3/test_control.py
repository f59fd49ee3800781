"""Keys and region from where AWS's tools look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from phfs.errors import ConfigError
from phfs.s3 import control


@pytest.fixture(autouse=True)
def no_keys_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path


def keys_of(**given: Any) -> tuple[str | None, str | None, str | None]:
    frozen = control.credentials(**given).get_frozen_credentials()
    return frozen.access_key, frozen.secret_key, frozen.token


def test_given_keys_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    assert keys_of() == ("a", "b", None)
    assert keys_of(access_key="c", secret_key="d", session_token="e") == ("c", "d", "e")


def test_a_profile(no_keys_around: Path) -> None:
    (no_keys_around / "credentials").write_text(
        "[lab]\naws_access_key_id = a\naws_secret_access_key = b\naws_session_token = c\n"
    )
    (no_keys_around / "config").write_text("[profile lab]\nregion = eu-north-1\n")
    assert keys_of(profile="lab") == ("a", "b", "c")
    assert control.region(profile="lab") == "eu-north-1"


def test_no_keys() -> None:
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID"):
        control.credentials()


@pytest.mark.parametrize(
    ("variable", "part"),
    [
        ("AWS_ACCESS_KEY_ID", "access key"),
        ("AWS_SECRET_ACCESS_KEY", "secret key"),
        ("AWS_SESSION_TOKEN", "session token"),
    ],
)
@pytest.mark.parametrize("wrong", ["planted\udc80", "planted\nline"], ids=["byte", "line"])
def test_variables_that_no_header_can_hold(
    monkeypatch: pytest.MonkeyPatch, variable: str, part: str, wrong: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, wrong if name == variable else "x")
    with pytest.raises(ConfigError, match=f"AWS's variables .* the {part} has") as caught:
        control.credentials()
    assert "planted" not in repr(caught.value)


@pytest.mark.parametrize("half", ["access_key", "secret_key"])
def test_half_a_pair(half: str) -> None:
    with pytest.raises(ConfigError, match="is not set") as caught:
        keys_of(**{half: "x"})
    assert ("SECRET" in caught.value.why.split()[0]) == (half == "access_key")


def test_no_such_profile() -> None:
    with pytest.raises(ConfigError, match="'nobody'"):
        control.credentials(profile="nobody")
    with pytest.raises(ConfigError, match="'nobody'"):
        control.region(profile="nobody")


def test_region(monkeypatch: pytest.MonkeyPatch) -> None:
    assert control.region() == "us-east-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert control.region() == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    assert control.region(region="eu-west-3") == "eu-west-3"
