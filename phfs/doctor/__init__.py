"""``phfs doctor``: looks for what keeps a mount from working, one thing after the other.

``run`` is the order; ``machine``, ``network``, ``access``, ``rights``, ``trial`` and ``standing``
are the checks, ``examination`` runs one in its time, ``scratch`` is where they may write, ``show``
prints. Called by ``cli``; changes nothing but below its own name in the prefix, which it removes.
"""

from phfs.doctor.run import Patient, run
from phfs.doctor.standing import MountSeen

__all__ = ["MountSeen", "Patient", "run"]
