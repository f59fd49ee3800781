"""``phfs-sidecar render DOC POD``: a pod's manifest with the sidecar in it."""

from __future__ import annotations

import argparse
import re
import sys

from phfs import __version__
from phfs.commandline import Command, Parser, UsageError
from phfs.sidecar.commands.given import add_document, bytes_of, document_of, name_of

IMAGE = f"localhost/phfs:{__version__}"
"""What ``make image`` makes."""

IMAGE_NAME = "the name of an image"


def _add_options(parser: Parser) -> None:
    add_document(parser)
    parser.add_argument(
        "pod", nargs="?", metavar="POD", help="the pod's manifest (YAML); - is standard input"
    )
    parser.expected["--image"] = IMAGE_NAME
    parser.add_argument(
        "--image", default=IMAGE, metavar="IMAGE", help=f"the sidecar's (default: {IMAGE})"
    )
    parser.expected["--port"] = "a port"
    parser.add_argument(
        "--port", default="9807", metavar="PORT", help="where it answers probes (default: 9807)"
    )
    parser.add_argument(
        "--classic",
        action="store_true",
        help="an ordinary container, for Kubernetes before 1.29 and podman",
    )


def _run(given: argparse.Namespace) -> int:
    if given.pod is None and given.document is not None:
        raise UsageError("POD is missing: give the path of a manifest, or - for standard input.")
    if given.pod == given.document == "-":
        raise UsageError("DOC and POD cannot both be standard input.")
    if not (given.port.isascii() and given.port.isdigit() and 0 < int(given.port) < 65_536):
        raise UsageError(f"--port {given.port!r} is wrong: give a number from 1 to 65535.")
    if not re.fullmatch(r"[!-~]+", given.image):
        raise UsageError(f"--image {given.image!r} is wrong: give {IMAGE_NAME}.")
    document = document_of(given.document)
    from phfs.sidecar import manifests
    from phfs.sidecar.render import Choices, render

    found = manifests.load(bytes_of(given.pod), name_of(given.pod))
    choices = Choices(image=given.image, classic=given.classic, port=int(given.port))
    sys.stdout.write(manifests.dump(render(document, found, choices)))
    return 0


COMMAND = Command(
    "render",
    "Print a pod's manifest with the sidecar, its volumes and probes in it.",
    _add_options,
    _run,
)
