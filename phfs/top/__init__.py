"""``phfs top``: how one mount is doing at this moment, from what it tells of itself.

``reading`` asks the mount, ``rates`` makes speeds of two answers, ``view`` lays them out with
``words`` and ``tables``, ``watching`` shows them on a terminal, in a pipe or as JSON. Sees a mount
as a directory with a ``.phfs`` in it, nothing else. Called by ``cli``.
"""

from phfs.top.watching import watch

__all__ = ["watch"]
