"""Gives a group keys of its own on a MinIO: ``phfs provision``.

``policy`` says what the keys may do, ``admin`` and ``bucket`` speak to the server, ``steps`` has
the order and ``show`` how the keys are written down. Nothing here is imported by a mount. Called by
``cli``.
"""

from phfs.provision.run import Order, is_amazon, policy_of, run

__all__ = ["Order", "is_amazon", "policy_of", "run"]
