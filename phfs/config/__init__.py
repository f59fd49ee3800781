"""The options of a mount: one table for the command line, the environment and the documents.

``mount`` holds the table, ``kinds`` the ways a text becomes a value, ``defaults`` the defaults that
depend on the machine, ``load`` the loop that makes a checked ``MountConfig`` from texts. Opens no
connection and never looks at the mount point. Called by ``cli``; everybody may read a
``MountConfig``.
"""

from phfs.config.load import load, read, unknown_variables
from phfs.config.mount import MountConfig, group_directory

__all__ = ["MountConfig", "group_directory", "load", "read", "unknown_variables"]
