"""``phfs provision BUCKET --group G``: keys for a group's objects on a MinIO, and no others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phfs.cli.shared import add_shared, administrators_values
from phfs.commandline import Command, Parser, UsageError, say
from phfs.errors import ConfigError

if TYPE_CHECKING:
    from phfs.provision import Order

_SHARED = ("bucket", "group", "endpoint_url", "region", "ca_bundle", "profile", "credentials_file")
"""Options that mean the same as for a mount; keys and profile are the administrator's."""

PROG = "phfs provision"

_AMAZON = (
    "Amazon S3 has no administration that could be used here: give an IAM user or role the policy "
    "above, and the mount its keys; for a MinIO give --endpoint-url."
)

_GROUPS_KEYS = (
    "The keys of @{name} are its group's and not used here: an administrator's are taken from "
    "where AWS's tools look, unless PHFS_ACCESS_KEY_ID or --credentials-file gives some."
)

_FORMATS = ("env", "aws", "secret")


def _add_options(parser: Parser) -> None:
    add_shared(parser, _SHARED)
    parser.add_argument("--read-only", action="store_true", help="keys that change nothing")
    parser.add_argument("--create-bucket", action="store_true", help="make a missing bucket")
    parser.add_argument("--user", action="store_true", help="make a user of its own (default)")
    parser.add_argument(
        "--service-account",
        action="store_true",
        help="make a service account, which ends with the administrator's own",
    )
    parser.expected["--access-key"] = "from 3 to 100 letters, digits and ._-"
    parser.add_argument(
        "--access-key", type=_name, metavar="NAME", help="its access key (default: after the group)"
    )
    parser.add_argument(
        "--rotate", action="store_true", help="a new secret key for one that is there"
    )
    parser.expected["--lifecycle-days"] = "a whole number from 0 to 3650"
    parser.add_argument(
        "--lifecycle-days",
        type=_days,
        default=7,
        metavar="N",
        help="have the store remove uploads unfinished after N days; 0: not (default: 7)",
    )
    parser.expected["--format"] = "env, aws or secret"
    parser.add_argument(
        "--format",
        type=_format,
        default="env",
        metavar="env|aws|secret",
        help="variables, a file for --credentials-file, or a Kubernetes Secret (default: env)",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.expected["--output"] = "the path of a file"
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the keys here, readable by you alone"
    )
    parser.add_argument(
        "--print-policy", action="store_true", help="show the policy for any store, and end"
    )


def _name(text: str) -> str:
    plain = all(sign.isascii() and (sign.isalnum() or sign in "._-") for sign in text)
    if not (plain and 3 <= len(text) <= 100):
        raise ValueError(text)
    return text


def _days(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 3650:
        raise ValueError(text)
    return number


def _format(text: str) -> str:
    if text not in _FORMATS:
        raise ValueError(text)
    return text


def _run(given: argparse.Namespace) -> int:
    values, groups_keys = administrators_values(given, _SHARED)
    if "group" not in values:
        raise UsageError("--group is missing: say whose objects the keys are to reach.")
    if given.user and given.service_account:
        raise UsageError("--user and --service-account are both given: give one of them.")
    try:
        from phfs.provision import is_amazon, policy_of, run
    except ImportError as error:
        raise ConfigError(
            f"phfs provision needs more than is installed ({error}).",
            "Install it with pip install 'phfs[provision]'.",
        ) from None
    amazon = is_amazon(values.get("endpoint_url"))
    if given.print_policy or amazon:
        shown = policy_of(values["bucket"], values["group"], read_only=given.read_only)
        print(shown, end="")
        if given.print_policy:
            return 0
        say(PROG, _AMAZON)
        return 1
    if groups_keys:
        say(PROG, _GROUPS_KEYS.format(name=given.mount_name))
    return run(_order(given, values), lambda sentence: say(PROG, sentence))


def _order(given: argparse.Namespace, values: dict[str, Any]) -> Order:
    from phfs.provision import Order

    return Order.of(
        values,
        read_only=given.read_only,
        service_account=given.service_account,
        access_key=given.access_key,
        rotate=given.rotate,
        create_bucket=given.create_bucket,
        lifecycle_days=given.lifecycle_days,
        form=given.format,
        as_json=given.json,
        output=given.output,
    )


COMMAND = Command(
    "provision",
    "Make keys on a MinIO that reach one group's objects and no others.",
    _add_options,
    _run,
)
