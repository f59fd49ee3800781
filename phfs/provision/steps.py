"""What is done for a group, in which order, and what a failure half way leaves.

Each step makes something what it should be, whatever it was, so that a second run completes a
first. What a step did is told at once, so a failure says how far it came. Blocking. Called by
``run``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NamedTuple

from phfs.errors import AccessDenied, NoSuchBucket, NotSupported, OperationFailed, PhfsError
from phfs.provision.admin import Administration
from phfs.provision.bucket import Buckets
from phfs.provision.policy import Grant, policy_name

Tell = Callable[[str], None]
"""Tells the person at the terminal one sentence."""


class Wish(NamedTuple):
    """What is to be there in the end.

    ``access_key`` names the user or service account. ``rotate``: one that is there gets a new
    secret key. ``days``: unfinished uploads are removed after so many, 0 leaves them alone.
    """

    grant: Grant
    access_key: str
    service_account: bool = False
    rotate: bool = False
    create_bucket: bool = False
    days: int = 0


def carry_out(wish: Wish, admin: Administration, buckets: Buckets, tell: Tell) -> str | None:
    """Do it all; the secret key, or None where it stays what it was and nobody can know it.

    Raises ``PhfsError``; what was done until then has been told.
    """
    _provide_bucket(wish, buckets, tell)
    if wish.days:
        _provide_rule(wish, admin, buckets, tell)
    # The secret key last: nothing that fails afterwards can lose it.
    provide = _provide_account if wish.service_account else _provide_user
    return provide(wish, admin, tell)


def _provide_bucket(wish: Wish, buckets: Buckets, tell: Tell) -> None:
    bucket = wish.grant.bucket
    if buckets.exists(bucket):
        return
    if not wish.create_bucket:
        raise NoSuchBucket(
            f"There is no bucket {bucket!r}.", "Check the name, or have it made by --create-bucket."
        )
    buckets.create(bucket)
    tell(f"The bucket {bucket} has been made.")


def _provide_user(wish: Wish, admin: Administration, tell: Tell) -> str | None:
    name, policy = wish.access_key, policy_name(wish.grant)
    admin.write_policy(policy, wish.grant)
    tell(f"The policy {policy} is in place.")
    if admin.policies_of(name) is None:
        return _make_user(name, policy, admin, tell)
    admin.attach(policy, name)
    other = wish.grant._replace(read_only=not wish.grant.read_only)
    admin.detach(policy_name(other), name)
    tell(f"The policy holds for the user {name}.")
    others = set(admin.policies_of(name) or ()) - {policy}
    if others:
        tell(
            f"Warning: these policies hold for {name}, too, so its keys reach more than this "
            f"group: {', '.join(sorted(others))}."
        )
    if not wish.rotate:
        return None
    secret = new_secret()
    admin.write_user(name, secret)
    tell(f"The user {name} has a new secret key.")
    return secret


def _make_user(name: str, policy: str, admin: Administration, tell: Tell) -> str:
    """A user for whom the policy holds, or none: nobody would ever see its secret key."""
    secret = new_secret()
    admin.write_user(name, secret)
    try:
        admin.attach(policy, name)
    except PhfsError as error:
        why = f"The policy could not be given to the new user {name}: {error.why}"
        try:
            admin.remove_user(name)
        except PhfsError:
            advice = "The user is there without rights: complete it by running it with --rotate."
        else:
            advice = "The user was removed again: run it again to complete it."
        raise OperationFailed(why, advice) from error
    tell(f"The user {name} has been made, and the policy holds for it.")
    return secret


def _provide_account(wish: Wish, admin: Administration, tell: Tell) -> str | None:
    name = wish.access_key
    if not admin.has_service_account(name):
        secret = new_secret()
        admin.make_service_account(name, secret, wish.grant)
        tell(f"The service account {name} has been made.")
        return secret
    changed = new_secret() if wish.rotate else None
    admin.change_service_account(name, wish.grant, changed)
    news = "a new secret key" if changed else "the rights it should have"
    tell(f"The service account {name} has {news}.")
    return changed


def _provide_rule(wish: Wish, admin: Administration, buckets: Buckets, tell: Tell) -> None:
    """The rule is a help, not a condition: a store without it keeps nobody from mounting."""
    try:
        buckets.set_rule(wish.grant, wish.days)
    except NotSupported:
        kept = admin.uploads_kept()
        own = f", and by its own setting removes them after {kept}" if kept else ""
        tell(f"The store has no lifecycle rule for unfinished uploads{own}.")
    except AccessDenied as error:
        tell(f"Warning: no rule for unfinished uploads: {error.why}")
    else:
        tell(f"Uploads left unfinished for {wish.days} days are removed by the store.")


def new_secret() -> str:
    """A secret key of 160 bits; MinIO takes up to forty characters."""
    return secrets.token_hex(20)
