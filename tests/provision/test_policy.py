"""The policy's reach, the names made from a group, and what can have no policy."""

from __future__ import annotations

import itertools

import pytest

from phfs.errors import ConfigError
from phfs.provision.policy import Grant, check, document, policy_name, service_account_name

GRANTS = [
    Grant("a", "groups/b-c/"),
    Grant("a-b", "groups/c/"),
    Grant("a", "groups/b-c/", read_only=True),
    Grant("a", "groups/b-c-read-only/"),
    Grant("a", "groups/x y/"),
    Grant("a", "groups/x,y/"),
    Grant("a", "groups/ä/"),
    Grant("a", f"groups/{'g' * 200}/"),
    Grant("a", f"groups/{'g' * 201}/"),
]


def test_the_document_names_the_prefix_in_every_statement() -> None:
    for grant in GRANTS:
        for statement in document(grant)["Statement"]:
            if statement["Action"] == ["s3:ListBucket"]:
                assert statement["Resource"] == [f"arn:aws:s3:::{grant.bucket}"]
                asked = statement["Condition"]["StringLike"]["s3:prefix"]
                assert asked == [grant.prefix, f"{grant.prefix}*"]
            else:
                assert statement["Resource"] == [f"arn:aws:s3:::{grant.bucket}/{grant.prefix}*"]


def test_a_read_only_grant_has_nothing_that_changes() -> None:
    actions = {
        action for statement in document(GRANTS[2])["Statement"] for action in statement["Action"]
    }
    assert actions == {"s3:ListBucket", "s3:GetObject", "s3:GetObjectTagging"}


@pytest.mark.parametrize("name_of", [policy_name, service_account_name])
def test_no_two_grants_share_a_name(name_of: object) -> None:
    assert callable(name_of)
    for one, other in itertools.combinations(GRANTS, 2):
        assert name_of(one) != name_of(other), (one, other)


def test_names_are_such_as_minio_takes() -> None:
    for grant in GRANTS:
        assert 3 <= len(service_account_name(grant)) <= 20
        name = policy_name(grant)
        assert len(name) <= 100
        assert name.isascii()
        assert not set(name) & set("=, /")
    assert policy_name(GRANTS[0]) == "phfs-a_b-c"
    assert policy_name(GRANTS[2]) == "phfs-a_b-c_read-only"


@pytest.mark.parametrize("group", ["*", "a*", "a?b", "${aws:username}"])
def test_a_name_that_is_a_pattern_is_refused(group: str) -> None:
    with pytest.raises(ConfigError, match="means other names, too"):
        check(Grant("a", f"groups/{group}/"))
    check(Grant("a", "groups/plain/"))
