"""The options of a mount: one table for the command line, the environment, files and documents.

``mount`` holds the table, ``option`` what a row of it is, ``kinds`` the ways a text becomes a
value, ``defaults`` the defaults that depend on the machine. ``files`` reads the configuration
files, ``sources`` says which place counts most, ``load`` makes a checked ``MountConfig``,
``together`` refuses what contradicts itself, ``document`` writes it all down. Opens no connection
and never looks at the mount point. Called by ``cli``; everybody may read a ``MountConfig``.
"""

from phfs.config.files import find
from phfs.config.load import load, read, unknown_variables
from phfs.config.mount import MountConfig, group_directory
from phfs.config.sources import NO_FILES, Files

__all__ = [
    "NO_FILES",
    "Files",
    "MountConfig",
    "find",
    "group_directory",
    "load",
    "read",
    "unknown_variables",
]
