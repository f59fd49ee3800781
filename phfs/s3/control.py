"""Keys and region, from what the user gave or from where AWS's tools look.

Owns the use of botocore's session: environment, profile, shared files, web identity, container,
instance. Called by ``mount`` and ``provision``.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.session import Session

from phfs.errors import ConfigError
from phfs.s3.credentials import FileCredentials, SourceCredentials, fault_of

DEFAULT_REGION = "us-east-1"
"""The region of a bucket that has none: MinIO's default, and AWS's."""

_COPY_AGAIN = (
    "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if temporary, AWS_SESSION_TOKEN again."
)


def credentials(
    *,
    access_key: str | None = None,
    secret_key: str | None = None,
    session_token: str | None = None,
    file: Path | None = None,
    profile: str | None = None,
) -> Credentials:
    """The keys given, those of ``file``, else those AWS's tools would use.

    Those of a file follow it, temporary ones renew themselves; see ``phfs.s3.credentials``. Raises
    ``ConfigError`` if there are none, or half of a pair. May ask the network.
    """
    if access_key and secret_key:
        return Credentials(access_key, secret_key, session_token)
    if access_key or secret_key:
        missing = "PHFS_SECRET_ACCESS_KEY" if access_key else "PHFS_ACCESS_KEY_ID"
        raise ConfigError(f"{missing} is not set, but the other half of the key pair is.")
    if file is not None:
        return FileCredentials(file, profile or "default")
    session, found = _find(profile)
    named = session.profile or "default"
    if found.method == "shared-credentials-file":
        return FileCredentials(_file_of(session, "credentials_file"), named)
    if found.method == "config-file":
        section = named if named == "default" else f"profile {named}"
        return FileCredentials(_file_of(session, "config_file"), section)
    if found.method == "env" and (fault := fault_of(found.get_frozen_credentials())):
        raise ConfigError(f"The keys in AWS's variables cannot be used: {fault}.", _COPY_AGAIN)
    return SourceCredentials(found, lambda: _find(profile)[1])


def check_ca_bundle(bundle: Path) -> None:
    """Raise ``ConfigError`` unless the file has certificates."""
    try:
        ssl.create_default_context(cafile=str(bundle))
    except OSError:  # ssl's own errors are some, too
        raise ConfigError(
            f"--ca-bundle {str(bundle)!r} has no certificate that can be read: give a file in PEM "
            "format, which begins with -----BEGIN CERTIFICATE-----."
        ) from None


def _find(profile: str | None) -> tuple[Session, Credentials]:
    session = Session(profile=profile)
    try:
        found = session.get_credentials()
    except ProfileNotFound:
        raise _no_profile(profile) from None
    except BotoCoreError as error:
        raise ConfigError(f"The keys for the object store cannot be had: {error}") from None
    except Exception as error:  # a program or an answer that is not what botocore expects
        raise ConfigError(
            f"The keys for the object store cannot be had: {type(error).__name__}."
        ) from None
    if found is None:
        raise ConfigError(
            "There are no keys for the object store: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or PHFS_ACCESS_KEY_ID and PHFS_SECRET_ACCESS_KEY, or "
            "--credentials-file, or --profile."
        )
    return session, found


def _file_of(session: Session, variable: str) -> Path:
    return Path(str(session.get_config_variable(variable))).expanduser()


def credentials_of(values: Mapping[str, Any]) -> Credentials:
    """As ``credentials``, from values by the names of their options; not all need be there."""
    return credentials(
        access_key=values.get("access_key_id"),
        secret_key=values.get("secret_access_key"),
        session_token=values.get("session_token"),
        file=values.get("credentials_file"),
        profile=values.get("profile"),
    )


_METHODS = {
    "env": "AWS_ACCESS_KEY_ID",
    "assume-role": "the role of the profile",
    "assume-role-with-web-identity": "the web identity (AWS_WEB_IDENTITY_TOKEN_FILE)",
    "sso": "the single sign-on of the profile",
    "custom-process": "the program that credential_process names",
    "container-role": "the container's role",
    "iam-role": "the machine's role",
}
"""Where keys come from, by botocore's word for it; others are told as they are."""


def aws_source(profile: str | None = None) -> str:
    """From where AWS's tools would take the keys, for people. Raises ``ConfigError`` as
    ``credentials``."""
    session, found = _find(profile)
    section = f"[{session.profile or 'default'}]"
    if found.method == "shared-credentials-file":
        return f"{section} of {_file_of(session, 'credentials_file')}"
    if found.method == "config-file":
        return f"{section} of {_file_of(session, 'config_file')}"
    return _METHODS.get(str(found.method), str(found.method))


def region(*, region: str | None = None, profile: str | None = None) -> str:
    """The region given, else that of AWS's variables and files, else ``DEFAULT_REGION``."""
    if region:
        return region
    try:
        found = Session(profile=profile).get_config_variable("region")
    except ProfileNotFound:
        raise _no_profile(profile) from None
    except BotoCoreError as error:
        raise ConfigError(f"The region of the object store cannot be had: {error}") from error
    return str(found) if found else DEFAULT_REGION


def _no_profile(profile: str | None) -> ConfigError:
    return ConfigError(f"There is no profile {profile!r} in AWS's shared files.")
