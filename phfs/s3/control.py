"""Keys and region, from what the user gave or from where AWS's tools look.

Owns the use of botocore's session: environment, profile, shared files, web identity, container,
instance. Called by ``mount``.
"""

from __future__ import annotations

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.session import Session

from phfs.errors import ConfigError

DEFAULT_REGION = "us-east-1"
"""The region of a bucket that has none: MinIO's default, and AWS's."""


def credentials(
    *,
    access_key: str | None = None,
    secret_key: str | None = None,
    session_token: str | None = None,
    profile: str | None = None,
) -> Credentials:
    """The keys given, else those AWS's tools would use; temporary ones renew themselves.

    Raises ``ConfigError`` if there are none, or half of a pair. May ask the network.
    """
    if access_key and secret_key:
        return Credentials(access_key, secret_key, session_token)
    if access_key or secret_key:
        missing = "PHFS_SECRET_ACCESS_KEY" if access_key else "PHFS_ACCESS_KEY_ID"
        raise ConfigError(f"{missing} is not set, but the other half of the key pair is.")
    try:
        found = Session(profile=profile).get_credentials()
    except ProfileNotFound:
        raise _no_profile(profile) from None
    except BotoCoreError as error:
        raise ConfigError(f"The keys for the object store cannot be had: {error}") from error
    if found is None:
        raise ConfigError(
            "There are no keys for the object store: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or PHFS_ACCESS_KEY_ID and PHFS_SECRET_ACCESS_KEY, or "
            "--profile."
        )
    return found


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
