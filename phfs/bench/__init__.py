"""Measures mounts beside the store without one: what is done, how it is timed, how it is shown.

``scenarios`` says what is done, to a directory and to the bare store (``floor``); ``measure`` takes
all subjects in turn, several rounds; ``figures`` makes medians and ratios of it, ``targets`` and
``guard`` judge them; ``report``, ``plots`` and ``page`` show them; ``own`` is ``phfs bench DIR``.
It sees a mount from outside only, as a directory and a process. Called by ``cli`` and by the
repository's ``bench``. Needs the extra ``bench``; this package itself imports nothing.
"""
