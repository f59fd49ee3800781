"""Jupyter on a mount: large uploads arrive whole, and what is refused comes with its reason.

A contents manager that a user names in ``jupyter_server_config.py``::

    c.ServerApp.contents_manager_class = "phfs.jupyter.PhfsContentsManager"

It sees a mount as a directory, and leaves to Jupyter what is on none. Nothing else imports it, and
it brings in neither FUSE nor an SDK: a Jupyter server may have it whose mount another container has
made.
"""

from phfs.jupyter.manager import PhfsContentsManager

__all__ = ["PhfsContentsManager"]
