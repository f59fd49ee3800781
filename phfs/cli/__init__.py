"""The commands ``phfs-mount`` and ``phfs``: arguments, checks of the machine, exit codes, daemon.

Exit codes: 0 done, 1 the mount (or the command) failed, 2 usage or configuration is wrong, 3 a
mount ended before everything was saved. Imports nothing heavy before the options are known to be
right.
"""
