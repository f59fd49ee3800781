"""moto's S3 server in a thread of this process: a second, lenient server to be right with.

Owns the thread. It checks no signature, no right and no checksum. Called by the fixture of
``tests/conftest.py``.
"""

from __future__ import annotations

import itertools
import logging

from moto.server import ThreadedMotoServer

from tests.support.minio import s3_client


class MotoServer:
    """Has the same attributes as ``MinioServer``, but no keys for groups."""

    def __init__(self) -> None:
        self.access_key = "phfs-moto"
        self.secret_key = "not-checked"
        self._numbers = itertools.count(1)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint_url = f"http://{host}:{port}"
        self._client = s3_client(self.endpoint_url, self.access_key, self.secret_key)
        self.bucket = self.new_bucket()

    def new_bucket(self) -> str:
        """Make a bucket with a name not used before."""
        bucket = f"bucket-{next(self._numbers)}"
        self._client.create_bucket(Bucket=bucket)
        return bucket

    def close(self) -> None:
        """Stop the thread and let go of every connection."""
        self._client.close()
        self._server.stop()
