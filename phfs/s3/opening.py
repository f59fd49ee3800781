"""From a configuration to the store it means: keys, region, certificates, repetition, prefix.

Owns which wrappers are around the bucket when it is used without a mount, and which refusals there
are about the place as a whole. Called by ``mount``, which adds wrappers of its own, and by ``cli``
for commands without a mount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from phfs.config import MountConfig
from phfs.errors import (
    BadCredentials,
    Corrupted,
    NoSuchBucket,
    TransientError,
    UntrustedServer,
)
from phfs.s3 import control
from phfs.s3.client import S3Store
from phfs.s3.journal import JournaledStore, UploadJournal, origin_of
from phfs.s3.options import S3Options
from phfs.s3.prefix import PrefixedStore
from phfs.s3.refusals import refusal_at
from phfs.s3.resumable import Records
from phfs.s3.retry import RetryingStore
from phfs.s3.sign import Link

Linking = Callable[[str, int, str], Link]
"""Makes a signed address of a relative key, see ``S3Store.link``."""

OF_THE_PLACE = (NoSuchBucket, BadCredentials, UntrustedServer, TransientError)
"""What is wrong with the place as a whole: no other object of it can be had either."""


def connect(config: MountConfig) -> S3Store:
    """The bucket, with the keys that are found. Raises ``ConfigError``."""
    credentials = control.credentials_of(vars(config))
    if config.ca_bundle is not None:
        control.check_ca_bundle(config.ca_bundle)
    return S3Store(options_of(config), credentials)


def options_of(config: MountConfig) -> S3Options:
    """The bucket, the way to it, and what new objects get. Raises ``ConfigError``."""
    return S3Options(
        bucket=config.bucket,
        region=control.region(region=config.region, profile=config.profile),
        endpoint_url=config.endpoint_url,
        path_style=config.path_style,
        ca_bundle=config.ca_bundle,
        timeout=config.timeout,
        deadline=config.retry_deadline,
        storage_class=config.storage_class,
        sse=config.sse,
        sse_kms_key=config.sse_kms_key,
    )


@contextmanager
def reading(config: MountConfig) -> Iterator[PrefixedStore]:
    """The objects under the prefix, by keys relative to it, for who changes nothing or only deletes
    and copies. Raises ``ConfigError``."""
    with closing(connect(config)) as client:
        yield PrefixedStore(RetryingStore(client, config.retry_deadline), config.prefix)


@contextmanager
def linking(config: MountConfig) -> Iterator[tuple[PrefixedStore, Linking]]:
    """As ``reading``, and what makes links to the objects. Raises ``ConfigError``."""
    with closing(connect(config)) as client:

        def link(key: str, seconds: int, download_name: str) -> Link:
            return client.link(config.prefix + key, seconds, download_name)

        yield PrefixedStore(RetryingStore(client, config.retry_deadline), config.prefix), link


@contextmanager
def copying(config: MountConfig) -> Iterator[tuple[PrefixedStore, Records]]:
    """As ``reading``, for who begins multipart uploads: they are in the journal of this machine, so
    that the next mount of the same place ends what a crash leaves, or in the records of those that
    a later command goes on with. Makes the state directory if it is missing. Raises
    ``ConfigError``."""
    directory, origin = config.state_dir, origin_of(config)
    with suppress(OSError):  # the journal says what is wrong
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(connect(config)) as client, closing(UploadJournal(directory, origin)) as journal:
        lasting = RetryingStore(client, config.retry_deadline)
        store = PrefixedStore(JournaledStore(lasting, journal), config.prefix)
        yield store, Records(directory, origin, config.prefix, journal)


@contextmanager
def refusals(config: MountConfig) -> Iterator[None]:
    """Inside, what the store refuses about the place as a whole (the bucket, the keys, the way to
    it) is said to the person who named them, as at the beginning of a mount. What it refuses about
    one object stays as it is, and so does a right that is missing."""
    try:
        yield
    except Corrupted:
        raise
    except OF_THE_PLACE as error:
        told = refusal_at(error, config)
        raise type(error)(told.why, told.advice) from error
