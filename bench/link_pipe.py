"""Where bytes are while they cross the slow link: in pipes, which the kernel moves them through.

Owns the pipes. No byte is copied: splicing moves the pages a socket has received into a pipe, and
from there into what another socket sends. Called by ``link_flow``.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque

CAPACITY = 1024**2
"""A pipe holds this many bytes, if its pages are full: the most that a user may ask for (pipe(7),
/proc/sys/fs/pipe-max-size)."""

_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class Pipe:
    """A pipe and how many bytes are in it."""

    def __init__(self) -> None:
        self.held = 0
        self.outlet, self.inlet = os.pipe()
        fcntl.fcntl(self.inlet, fcntl.F_SETPIPE_SZ, CAPACITY)

    def close(self) -> None:
        """Let go of it, and of what is in it."""
        os.close(self.inlet)
        os.close(self.outlet)


class Pipes:
    """The pipes nobody uses now: few are used at once, however many connections there are."""

    def __init__(self) -> None:
        self._empty: list[Pipe] = []

    def take(self) -> Pipe:
        """An empty pipe."""
        return self._empty.pop() if self._empty else Pipe()

    def give_back(self, pipe: Pipe) -> None:
        """Somebody does not need this one any more; what is in it is lost."""
        if pipe.held:
            pipe.close()
        else:
            self._empty.append(pipe)


class Queue:
    """Bytes in order, in as many pipes as it takes."""

    def __init__(self, pipes: Pipes) -> None:
        self.held = 0
        """How many bytes are in it."""
        self._pipes = pipes
        self._filled: deque[Pipe] = deque()

    def fill(self, source: int, limit: int) -> int:
        """Take at most ``limit`` bytes from a socket; how many, 0 at its end.

        Raises ``BlockingIOError`` if it has none, ``OSError`` if it is broken.
        """
        if self._filled:
            try:
                return self._fill(self._filled[-1], source, limit)
            except BlockingIOError:
                pass  # The source is empty or the pipe is full: a fresh pipe tells which.
        pipe = self._pipes.take()
        try:
            count = self._fill(pipe, source, limit)
        finally:
            if pipe.held:
                self._filled.append(pipe)
            else:
                self._pipes.give_back(pipe)
        return count

    def drain(self, target: int, limit: int) -> int:
        """Give a socket at most ``limit`` bytes; how many it took.

        Raises ``OSError`` if it is broken.
        """
        done = 0
        try:
            while done < limit:
                pipe = self._filled[0]
                wanted = min(pipe.held, limit - done)
                count = os.splice(pipe.outlet, target, wanted, flags=_FLAGS)
                pipe.held -= count
                self.held -= count
                done += count
                if not pipe.held:
                    self._pipes.give_back(self._filled.popleft())
                if count < wanted:
                    break
        except BlockingIOError:
            pass
        return done

    def clear(self) -> None:
        """Throw all of it away."""
        while self._filled:
            self._pipes.give_back(self._filled.popleft())

    def _fill(self, pipe: Pipe, source: int, limit: int) -> int:
        count = os.splice(source, pipe.inlet, limit, flags=_FLAGS)
        pipe.held += count
        self.held += count
        return count
