"""What PHFS asks of the operating system beside files: mounts, privileges, the kernel's figures.

Knows no store, no option and no file of a mount. Light, because the supervisor lives on it for as
long as a mount lasts. Called by ``cli`` and ``fuse``.
"""
