"""What two options must not say together, each named as it was given.

Judges a whole ``MountConfig`` only; single values are ``kinds``' business. Called by ``load``.
"""

from __future__ import annotations

from collections.abc import Mapping

from phfs.config.mount import BY_NAME, MountConfig
from phfs.config.option import flag, option_of, variable
from phfs.config.sources import Given
from phfs.errors import ConfigError


def check_together(config: MountConfig, given: Mapping[str, Given]) -> None:
    """Raise ``ConfigError`` for the first contradiction; ``given`` says where an option stands."""
    _check_sizes(config, given)
    _check_processes(config, given)
    _check_keys(config, given)


def _named(name: str, given: Mapping[str, Given]) -> str:
    """An option as it was given; as it is given usually, if it was not."""
    if name in given:
        return given[name].named
    row = BY_NAME[name]
    return variable(row) if option_of(row).secret else flag(row)


def _check_sizes(config: MountConfig, given: Mapping[str, Given]) -> None:
    if 2 * config.part_size > config.memory_limit:
        # One part is filled while the one before is sent.
        raise ConfigError(
            f"{_with(config.part_size >> 20, 'part_size', given)} does not fit twice into "
            f"{_with(config.memory_limit >> 20, 'memory_limit', given)}: give smaller parts or "
            "more memory (both in MiB)."
        )
    if config.sse_kms_key is not None and not (config.sse or "").startswith("aws:kms"):
        raise ConfigError(
            f"{_named('sse_kms_key', given)} is given without --sse aws:kms: give both, or neither "
            "of them."
        )


def _with(value: int, name: str, given: Mapping[str, Given]) -> str:
    one = given.get(name)
    return one.shown if one and one.where else f"{_named(name, given)} {value}"


def _check_processes(config: MountConfig, given: Mapping[str, Given]) -> None:
    if config.descriptor is not None and not (config.foreground and not config.supervise):
        raise ConfigError(
            f"{config.mountpoint} is mounted by its caller, which alone can do it again: give "
            "--foreground, and leave --supervise out."
        )
    if config.descriptor is not None and config.run_as is not None:
        raise ConfigError(
            f"{_named('run_as', given)} is given with {config.mountpoint}, which is mounted "
            "already: start phfs-mount as that user instead."
        )
    if config.keep_dead and config.run_as is None:
        raise ConfigError(
            f"{_named('keep_dead', given)} is given without --run-as: only who mounts for another "
            "can mount upon what is there."
        )


def _check_keys(config: MountConfig, given: Mapping[str, Given]) -> None:
    access, secret = _named("access_key_id", given), _named("secret_access_key", given)
    if (config.access_key_id is None) != (config.secret_access_key is None):
        raise ConfigError(
            f"{access} and {secret} belong together: set both in one place, or neither to take "
            "the keys from the AWS sources."
        )
    if config.credentials_file is not None and config.access_key_id is not None:
        raise ConfigError(
            f"{_named('credentials_file', given)} is given, and {access} is set, too: give the "
            "keys in one of the two ways."
        )
    if config.session_token is not None and config.access_key_id is None:
        raise ConfigError(
            f"{_named('session_token', given)} is set without {access}: a token belongs to its "
            "keys."
        )
