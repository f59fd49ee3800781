"""The order of steps: every failure half way is told, and a second run completes it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from phfs.errors import AccessDenied, ConnectionFailed, NoSuchBucket, NotSupported, PhfsError
from phfs.provision.policy import Grant, policy_name
from phfs.provision.steps import Wish, carry_out

GRANT = Grant("bucket", "groups/g/")
NAME = "phfs-bucket_g"


@dataclass
class Server:
    """A server in memory, which fails the ``fail_at``-th call, and all after it if ``down``."""

    policies: dict[str, Grant] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    attached: dict[str, set[str]] = field(default_factory=dict)
    accounts: dict[str, tuple[str, Grant]] = field(default_factory=dict)
    made: set[str] = field(default_factory=lambda: {"bucket"})
    rules: list[tuple[Grant, int]] = field(default_factory=list)
    rule_error: PhfsError | None = None
    fail_at: int = -1
    down: bool = False
    calls: int = 0

    def _call(self) -> None:
        self.calls += 1
        if self.calls == self.fail_at or (self.down and self.calls > self.fail_at > 0):
            raise ConnectionFailed("The server does not answer.")

    def write_policy(self, name: str, grant: Grant) -> None:
        self._call()
        self.policies[name] = grant

    def policies_of(self, user: str) -> list[str] | None:
        self._call()
        return sorted(self.attached.get(user, ())) if user in self.users else None

    def write_user(self, name: str, secret: str) -> None:
        self._call()
        self.users[name] = secret

    def remove_user(self, name: str) -> None:
        self._call()
        del self.users[name]

    def attach(self, policy: str, user: str) -> None:
        self._call()
        self.attached.setdefault(user, set()).add(policy)

    def detach(self, policy: str, user: str) -> None:
        self._call()
        self.attached.setdefault(user, set()).discard(policy)

    def has_service_account(self, name: str) -> bool:
        self._call()
        return name in self.accounts

    def make_service_account(self, name: str, secret: str, grant: Grant) -> None:
        self._call()
        self.accounts[name] = (secret, grant)

    def change_service_account(self, name: str, grant: Grant, secret: str | None) -> None:
        self._call()
        self.accounts[name] = (secret or self.accounts[name][0], grant)

    def uploads_kept(self) -> str | None:
        return "24h"

    def exists(self, bucket: str) -> bool:
        self._call()
        return bucket in self.made

    def create(self, bucket: str) -> None:
        self._call()
        self.made.add(bucket)

    def set_rule(self, grant: Grant, days: int) -> None:
        self._call()
        if self.rule_error is not None:
            raise self.rule_error
        self.rules.append((grant, days))


def run(server: Server, wish: Wish) -> tuple[str | None, list[str]]:
    told: list[str] = []
    return carry_out(wish, server, server, told.append), told


WISH = Wish(GRANT, NAME)


def test_a_user_with_its_policy() -> None:
    server = Server()
    secret, told = run(server, WISH)
    assert server.users == {NAME: secret}
    assert server.attached == {NAME: {NAME}}
    assert server.policies == {NAME: GRANT}
    assert secret is not None
    assert len(secret) == 40
    assert not any(secret in sentence for sentence in told)


def test_a_second_run_changes_nothing_and_knows_no_secret() -> None:
    server = Server()
    secret, _ = run(server, WISH)
    again, _ = run(server, WISH)
    assert again is None
    assert server.users == {NAME: secret}
    rotated, _ = run(server, WISH._replace(rotate=True))
    assert rotated not in (None, secret)
    assert server.users == {NAME: rotated}


def test_the_same_user_becomes_read_only_and_back() -> None:
    server = Server()
    run(server, WISH)
    reading = WISH._replace(grant=GRANT._replace(read_only=True))
    run(server, reading)
    assert server.attached == {NAME: {policy_name(reading.grant)}}
    run(server, WISH)
    assert server.attached == {NAME: {NAME}}


def test_other_policies_of_a_user_are_warned_of() -> None:
    server = Server(users={"known": "s"}, attached={"known": {"consoleAdmin"}})
    secret, told = run(server, WISH._replace(access_key="known"))
    assert secret is None
    assert server.users == {"known": "s"}
    assert "consoleAdmin" in told[-1]
    assert told[-1].startswith("Warning: ")


def test_a_missing_bucket_is_made_only_when_asked_for() -> None:
    server = Server(made=set())
    with pytest.raises(NoSuchBucket, match="'bucket'"):
        run(server, WISH)
    assert (server.policies, server.users) == ({}, {})
    _, told = run(server, WISH._replace(create_bucket=True))
    assert server.made == {"bucket"}
    assert "bucket" in told[0]


def test_service_accounts() -> None:
    server = Server()
    wish = WISH._replace(service_account=True)
    secret, _ = run(server, wish)
    assert server.accounts == {NAME: (secret, GRANT)}
    reading = GRANT._replace(read_only=True)
    again, _ = run(server, wish._replace(grant=reading))
    assert again is None
    assert server.accounts == {NAME: (secret, reading)}
    rotated, _ = run(server, wish._replace(rotate=True))
    assert server.accounts == {NAME: (rotated, GRANT)}
    assert rotated != secret


def test_the_rule_is_a_help_and_not_a_condition() -> None:
    wish = WISH._replace(days=3)
    server = Server()
    assert "3 days" in run(server, wish)[1][0]
    assert server.rules == [(GRANT, 3)]
    refusing = Server(rule_error=NotSupported("no"))
    secret, told = run(refusing, wish)
    assert secret
    assert "removes them after 24h" in told[0]
    narrow = Server(rule_error=AccessDenied("These keys may not do that."))
    assert run(narrow, wish)[1][0].startswith("Warning: ")


WISHES = [
    WISH._replace(days=1),
    WISH._replace(days=1, service_account=True),
    WISH._replace(days=1, grant=GRANT._replace(read_only=True), rotate=True),
    WISH._replace(days=1, service_account=True, rotate=True),
]


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("wish", WISHES)
def test_wherever_it_fails_running_it_again_ends_with_keys_that_are_known(
    wish: Wish, known: bool, down: bool
) -> None:
    def prepared() -> Server:
        server = Server()
        if known:
            run(server, WISH._replace(service_account=wish.service_account))
        server.calls = 0
        return server

    whole = prepared()
    run(whole, wish)
    for failing in range(1, whole.calls + 1):
        server = prepared()
        server.fail_at, server.down = failing, down
        with pytest.raises(PhfsError):
            run(server, wish)
        server.fail_at = -1
        secret, _ = run(server, wish)
        if secret is None:  # as told: nobody can know it
            secret, _ = run(server, wish._replace(rotate=True))
        if wish.service_account:
            assert server.accounts == {NAME: (secret, wish.grant)}
        else:
            assert server.users == {NAME: secret}
            assert server.attached == {NAME: {policy_name(wish.grant)}}
        assert server.rules == [(wish.grant, 1)] * len(server.rules)
        assert server.rules


def test_a_user_without_rights_is_not_left_behind() -> None:
    # After bucket, policy, a look and the user, the fifth call attaches.
    server = Server(fail_at=5)
    with pytest.raises(PhfsError, match="could not be given") as failed:
        run(server, WISH)
    assert server.users == {}
    assert "removed again" in failed.value.advice
    gone = Server(fail_at=5, down=True)
    with pytest.raises(PhfsError) as failed:
        run(gone, WISH)
    assert "--rotate" in failed.value.advice
