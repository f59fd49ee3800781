"""What mount.nfs says of a failure, as a sentence for people who did not set up the server.

Pure. Called by ``nfs``.
"""

from __future__ import annotations

from phfs.errors import VolumeError
from phfs.sidecar import said
from phfs.sidecar.said import Known

AGAIN = "It is tried again by itself; if it stays, tell whoever runs the server."

_TABLE = (
    Known(
        r"No such device|unknown filesystem type|not supported by kernel",
        "the kernel of this node has no NFS client",
        "Have the node's administrator load the kernel's module nfsv4, or run the pod on a node "
        "that has it.",
    ),
    Known(
        r"Failed to resolve server|Name or service not known",
        "the server's name is unknown here",
        "Check spec.nfs.server of the volume.",
    ),
    Known(
        r"Connection refused",
        "the server refuses connections, so no NFS runs there",
        AGAIN,
    ),
    Known(
        r"timed out|No route to host|unreachable|Connection reset|Host is down|Input/output error",
        "the server does not answer",
        AGAIN,
    ),
    Known(
        r"access denied by server|Permission denied",
        "the server does not let this node mount it",
        "Have the server's administrator export it to the cluster's nodes.",
    ),
    Known(
        r"mount point .* does not exist",
        "the place to mount it at is missing",
        "Restart the pod; if it stays, report this as a defect of PHFS.",
    ),
    Known(
        r"No such file or directory",
        "the server exports no such path",
        "Check spec.nfs.path of the volume.",
    ),
    Known(
        r"Protocol not supported|NFS version|not a valid|incorrect mount option",
        "the server speaks no NFS 4; NFS 3 does only for what is read-only",
        "Have the server's administrator switch NFS 4 on.",
    ),
    Known(
        r"Operation not permitted|must be superuser",
        "the sidecar may not mount here",
        "The sidecar's container has to be privileged; phfs-sidecar render makes it so.",
    ),
)


def is_path_missing(words: str) -> bool:
    """Whether the server has been reached and has not got the path."""
    return "No such file or directory" in words


def may_be_older(words: str) -> bool:
    """Whether an older version of NFS may do: the server has none newer, or names the path so."""
    return is_path_missing(words) or "Protocol not supported" in words or "NFS version" in words


def refused(export: str, words: str) -> VolumeError:
    """The error for what mount.nfs has said of ``server:path``."""
    known = said.known(_TABLE, words)
    if known is not None:
        return VolumeError(f"{export} cannot be mounted: {known.why}.", known.advice)
    return VolumeError(f"{export} cannot be mounted; mount.nfs says: {said.line(words)}", AGAIN)


def silent(export: str, seconds: float) -> VolumeError:
    """The error for a server of which nothing was heard."""
    return VolumeError(
        f"{export} cannot be mounted: the server does not answer within {seconds:g} seconds.",
        AGAIN,
    )
