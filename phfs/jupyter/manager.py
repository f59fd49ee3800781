"""Jupyter's contents manager for mounts.

Owns what differs from Jupyter's own on a mount: uploads in pieces, how a file is saved, what an
error says. What is on no mount is Jupyter's. Called by a Jupyter server that is configured so.
"""

from __future__ import annotations

import asyncio
import base64
import io
import mimetypes
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import wraps
from typing import IO, Any

from jupyter_server.services.contents.fileio import FileManagerMixin
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.utils import ApiPath, to_os_path
from tornado.web import HTTPError
from traitlets import Float, Unicode

from phfs.jupyter.reasons import look, place_of, reason_of
from phfs.jupyter.uploads import LAST, Uploads

Model = dict[str, Any]
"""What Jupyter says of a file."""

# Most of their methods have no types.
_Jupyter: Any = AsyncLargeFileManager
_Blocking: Any = FileManagerMixin

_explaining: ContextVar[bool] = ContextVar("explaining", default=False)


def _explained(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The method, with errors that say what the mount says of them.

    Jupyter asks for a path many times, and nobody else is served meanwhile: the first time, which
    may wait for the store, is in a thread."""

    @wraps(method)
    async def call(self: PhfsContentsManager, *args: Any, **kwargs: Any) -> Any:
        if _explaining.get():
            return await method(self, *args, **kwargs)
        paths = [word for word in (*args, *kwargs.values()) if isinstance(word, str)]
        with self.explaining(*paths):
            await asyncio.to_thread(look, self._os_paths(paths))
            return await method(self, *args, **kwargs)

    return call


class PhfsContentsManager(_Jupyter):  # type: ignore[misc]
    """Saves an upload when all of it has come, and passes on the reason of what is refused."""

    spool_dir = Unicode(
        config=True,
        help="Where the pieces of an upload to a mount are kept until the last has come. It needs "
        "room for the file; by default it is the system's directory for temporary files.",
    )
    silent_seconds = Float(
        60.0,
        config=True,
        help="An upload that has been silent for so long may be begun anew under the same name.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._uploads = Uploads(self.spool_dir or tempfile.gettempdir(), self.silent_seconds)

    # -- errors --------------------------------------------------------------------------------

    get = _explained(_Jupyter.get)
    delete = _explained(_Jupyter.delete)
    rename = _explained(_Jupyter.rename)
    copy = _explained(_Jupyter.copy)
    is_hidden = _explained(_Jupyter.is_hidden)
    create_checkpoint = _explained(_Jupyter.create_checkpoint)
    restore_checkpoint = _explained(_Jupyter.restore_checkpoint)
    list_checkpoints = _explained(_Jupyter.list_checkpoints)
    delete_checkpoint = _explained(_Jupyter.delete_checkpoint)

    @contextmanager
    def explaining(self, *paths: str) -> Iterator[None]:
        """Errors of what is done meanwhile with ``paths`` are raised as ``HTTPError`` with the
        mount's reason and advice, if it has one, else in Jupyter's words."""
        if _explaining.get():  # inside another request, which handles errors of its steps itself
            yield
            return
        since = int(time.time())  # a mount notes the second in which something failed
        token = _explaining.set(True)
        try:
            yield
        except (HTTPError, OSError) as error:
            reason = reason_of(error, self._os_paths(paths), since)
            if reason is None and isinstance(error, OSError):
                reason = f"{', '.join(paths)}: {error.strerror}."
            if reason is None:
                raise
            status = error.status_code if isinstance(error, HTTPError) else 500
            # Jupyter finds nothing where it could not look, and then drops what is said with it.
            raise HTTPError(500 if status == 404 else status, reason) from error
        finally:
            _explaining.reset(token)

    def _os_paths(self, paths: Sequence[str]) -> list[str]:
        """Where they are; Jupyter's own way to find out asks the file system."""
        return [to_os_path(ApiPath(path), os.path.abspath(self.root_dir)) for path in paths]

    # -- saving --------------------------------------------------------------------------------

    async def save(self, model: Model, path: str = "") -> Model:
        """Save what an editor has, or one piece of an upload. Raises ``HTTPError``."""
        path = path.strip("/")
        with self.explaining(path):
            chunk, os_path = model.get("chunk"), self._get_os_path(path)
            if chunk is None or place_of(os_path) is None:
                saved: Model = await super().save(model, path)
                return saved
            if chunk == 1:
                self.run_pre_save_hooks(model=model, path=path)
                self._uploads.begin(path, os_path)
            upload = self._uploads.expect(path, chunk)
            try:
                data = _decoded(model, path)
                size = await asyncio.to_thread(self._uploads.keep, path, upload, data)
                if chunk != LAST:
                    self._uploads.await_next(upload)
                    return _incomplete(path, size)
                upload.saving = True
                await asyncio.to_thread(self._uploads.publish, upload, os_path)
            except BaseException:
                self._uploads.drop(path)
                raise
            self._uploads.drop(path)
            saved = await self.get(path, content=False)
            self.run_post_save_hooks(model=saved, os_path=os_path)
            self.emit(data={"action": "save", "path": path})
            return saved

    async def _save_file(self, *args: Any) -> None:
        await asyncio.to_thread(_Blocking._save_file, self, *args)

    async def _save_notebook(self, *args: Any, **kwargs: Any) -> None:
        await asyncio.to_thread(_Blocking._save_notebook, self, *args, **kwargs)

    @contextmanager
    def atomic_writing(
        self, os_path: str, *args: Any, text: bool = True, encoding: str = "utf-8", **kwargs: Any
    ) -> Iterator[IO[Any]]:
        """What is written meanwhile becomes the file. On a mount it does so whole or not at all,
        so that no copy of the old version is made beside it, and none is left there."""
        if place_of(os_path) is None:
            kwargs.update(text=text, encoding=encoding)
            with super().atomic_writing(os_path, *args, **kwargs) as file:
                yield file
            return
        written: IO[Any] = io.StringIO() if text else io.BytesIO()
        yield written
        written.seek(0)
        data = written.read()
        with self.perm_to_403(os_path), open(os_path, "wb") as file:
            file.write(data.encode(encoding) if text else data)


def _decoded(model: Model, path: str) -> bytes:
    """The bytes of a piece. Raises ``HTTPError``."""
    content, form = model.get("content"), model.get("format")
    if model.get("type") == "file" and isinstance(content, str) and form == "text":
        return content.encode()
    if model.get("type") == "file" and isinstance(content, str) and form == "base64":
        try:
            return base64.b64decode(content)
        except ValueError as error:
            raise HTTPError(400, f"A piece of {path} is not base64: {error}.") from error
    raise HTTPError(400, f"A piece of {path} is not a file's content as text or base64.")


def _incomplete(path: str, size: int) -> Model:
    """What JupyterLab is told of a file of which ``size`` bytes have come, and which is not there
    before it is complete."""
    now = datetime.now(UTC)
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "type": "file",
        "created": now,
        "last_modified": now,
        "size": size,
        "mimetype": mimetypes.guess_type(path)[0],
        "writable": True,
        **dict.fromkeys(("content", "format", "hash", "hash_algorithm")),
    }
