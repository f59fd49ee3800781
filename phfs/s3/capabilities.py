"""What the store keeps of what S3 promises, as far as its answers show.

Owns the verdicts and their sentences for people. Never asks the store anything: no probe touches a
user's objects, so what no answer has shown stays unknown, and what is unknown is not relied on
(``client`` and ``multipart`` then look before and after). Called by them, by ``requests``, which
shows it every answer's headers, and by ``mount`` for the status. Any thread may call it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

_RADOSGW = re.compile(r"tx[0-9a-f]{21}-[0-9a-f]{10}-")
"""How radosgw, which does not name itself, numbers requests (``rgw_common.h``, ``req_info``)."""


class Promise(enum.Enum):
    """Something S3 promises and not every store keeps."""

    CREATE = "If-None-Match of PutObject"
    COMPLETE = "If-None-Match of CompleteMultipartUpload"
    COPY = "x-amz-copy-source-if-match"


class Verdict(enum.Enum):
    """What answers have shown of a promise."""

    UNKNOWN = "unknown"
    KEPT = "kept"
    IGNORED = "ignored"
    REFUSED = "refused"


KNOWN_SERVERS: Mapping[str, frozenset[Promise]] = {
    "AmazonS3": frozenset(Promise),
    "MinIO": frozenset(Promise),
    "radosgw": frozenset({Promise.CREATE}),
}
"""What a server that names itself is believed until an answer shows otherwise. Tried, each of them,
by ``tests/contract`` on the server itself but for Amazon's, whose documentation says so."""

_NOT_KEPT = {
    Promise.CREATE: (
        "Two programs that create the same small file with O_EXCL in the same instant may both "
        "succeed: the store {fault} If-None-Match when an object is put. PHFS looks before and "
        "after."
    ),
    Promise.COMPLETE: (
        "Two programs that create the same large file (one sent in parts) with O_EXCL in the same "
        "instant may both succeed: the store {fault} If-None-Match when an upload is completed. "
        "PHFS looks before and after."
    ),
    Promise.COPY: (
        "A file that is replaced by another program in the instant of its renaming may appear "
        "under the new name in its newer version, while the rename fails: the store {fault} "
        "x-amz-copy-source-if-match. PHFS looks before and after."
    ),
}
_FAULTS = {
    Verdict.UNKNOWN: "is not known to obey",
    Verdict.IGNORED: "ignores",
    Verdict.REFUSED: "does not have",
}
_NO_CRC = (
    "CRC32C checksums are not verified by the store. PHFS sends each body's MD5 instead, which "
    "costs more of the processor, and compares the ETag where that is an MD5."
)


class Capabilities:
    """The verdicts on one store."""

    def __init__(self) -> None:
        self.server = ""
        """What the store calls itself, empty until it has answered or if it does not say."""
        self.plain_etags = False
        """Whether an ETag has been seen to be the MD5 of what was sent."""
        self._verdicts = dict.fromkeys(Promise, Verdict.UNKNOWN)
        self._without_crc: set[str] = set()

    def saw(self, headers: Mapping[str, str]) -> None:
        """Take what an answer's headers say about the server."""
        if not self.server:
            self.server = headers.get("Server", "")
            if not self.server and _RADOSGW.match(headers.get("x-amz-request-id", "")):
                self.server = "radosgw"

    def found(self, promise: Promise, verdict: Verdict) -> None:
        """An answer has shown this."""
        self._verdicts[promise] = verdict

    def refused(self, promise: Promise) -> bool:
        """Whether the store answers requests with this condition by an error."""
        return self._verdicts[promise] is Verdict.REFUSED

    def keeps(self, promise: Promise) -> bool:
        """Whether the promise can be relied on without looking."""
        verdict = self._verdicts[promise]
        if verdict is Verdict.UNKNOWN:
            return promise in KNOWN_SERVERS.get(self.server, ())
        return verdict is Verdict.KEPT

    def takes_crc(self, kind: str) -> bool:
        """Whether requests of this kind go with a CRC32C: until one was refused or ignored."""
        return kind not in self._without_crc

    def no_crc(self, kind: str) -> None:
        """Requests of this kind are refused with a CRC32C, or it is not verified."""
        self._without_crc.add(kind)

    def status(self) -> dict[str, object]:
        """For ``.phfs/status``."""
        return {"server": self.server or "unknown", "does_not_guarantee": self.not_guaranteed()}

    def not_guaranteed(self) -> list[str]:
        """For people: what the store does not guarantee, a sentence or two each."""
        sentences = [
            _NOT_KEPT[promise].format(fault=_FAULTS[self._verdicts[promise]])
            for promise in Promise
            if not self.keeps(promise)
        ]
        return [*sentences, _NO_CRC] if self._without_crc else sentences
