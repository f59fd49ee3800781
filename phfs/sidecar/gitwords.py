"""What git says of a failure, as a sentence for people who have never seen the repository's server.

Pure. Knows git's and ssh's words (in the C locale) by a table. Called by ``git``.
"""

from __future__ import annotations

from collections.abc import Iterable

from phfs.errors import VolumeError
from phfs.sidecar import said
from phfs.sidecar.said import Known

_TABLE = (
    Known(
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|host key.*changed",
        "the server's ssh key is not the known one",
        "If the server has really got another key, put its line into known_hosts of the Secret.",
    ),
    Known(
        r"Permission denied \(|Load key|error in libcrypto|no mutual signature",
        "the server does not let us in with the ssh key given",
        "Give a Secret whose private key (ssh or ssh-privatekey, without a passphrase) may read "
        "the repository.",
    ),
    Known(
        r"could not read (Username|Password)|Authentication failed|"
        r"returned error: (401|403)|HTTP Basic: Access denied",
        "the server wants a token that may read it, and was given none or a wrong one",
        "Give a Secret with token, or with username and password, that may read the repository.",
    ),
    Known(
        r"[Cc]ould not resolve host|Name or service not known|unable to look up|"
        r"[Tt]emporary failure in name resolution",
        "the server's name is unknown here",
        "Check the URL of the volume.",
    ),
    Known(
        r"SSL certificate|certificate verif|server certificate|unable to get local issuer",
        "the server's certificate is not one that is trusted here",
        "Put the certificate that vouches for it into the Secret as ca.crt.",
    ),
    Known(
        r"Operation too slow|timed out|Timeout|Connection timed out",
        "the server does not answer",
        "It is tried again by itself; if it stays, tell whoever runs the server.",
    ),
    Known(
        r"Connection refused|[Cc]ouldn't connect|[Cc]ould not connect|Failed to connect|"
        r"No route to host|Network is unreachable|unable to connect",
        "the server cannot be reached",
        "It is tried again by itself; if it stays, tell whoever runs the server.",
    ),
    Known(
        r"[Rr]epository .*not found|not appear to be a git repository|does not exist|"
        r"returned error: 404|access denied or repository not exported|no such repository|"
        r"not a git repository",
        "the server has no such repository, or does not show it to us",
        "Check the URL of the volume, and that the Secret, if any, may read the repository.",
    ),
    Known(
        r"No space left on device|Disk quota exceeded",
        "there is no space left for it",
        "Ask for a larger volume directory (emptyDir) of the pod, or a smaller repository.",
    ),
    Known(
        r"transport '.*' not allowed|protocol .* (not supported|disabled)",
        "the server sends us elsewhere by a protocol that is not allowed",
        "Give the URL to which the server redirects.",
    ),
)


def refused(shown: str, words: str, secrets: Iterable[str]) -> VolumeError:
    """The error for what git has said; ``shown`` is the repository for people."""
    known = said.known(_TABLE, words)
    if known is not None:
        return VolumeError(f"{shown} cannot be fetched: {known.why}.", known.advice)
    return VolumeError(
        f"{shown} cannot be fetched; git says: {said.line(words, secrets)}",
        "It is tried again by itself; if it stays, tell whoever manages the repository.",
    )
