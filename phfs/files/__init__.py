"""A group's files without a mount: what ``phfs ls``, ``cp``, ``rm`` and the like do.

Works through the store port, with keys relative to the prefix, so that nothing outside of it can be
named. Knows no argument of a command line and prints nothing. Called by ``cli.commands``.
"""
