"""A proxy between a mount and its store that breaks chosen requests in chosen ways.

``proxy`` is the server, ``messages`` what goes through it, ``faults`` the ways.

::

    with FaultProxy(minio.endpoint_url) as proxy:
        mounted = mount_with("--timeout=1", place=place._replace(endpoint_url=proxy.url))
        proxy.fault(faults.reset_after, kind="put", nth=2)       # stored, and the answer lost
        proxy.fault(faults.refuse, times=math.inf)               # nobody listens from now on
        proxy.fault(faults.status(503, "SlowDown"), kind="get", times=3)
        ...
        proxy.heal()
"""

from tests.support.fault_proxy import faults
from tests.support.fault_proxy.messages import Answer, Request
from tests.support.fault_proxy.proxy import Exchange, Fault, FaultProxy

__all__ = ["Answer", "Exchange", "Fault", "FaultProxy", "Request", "faults"]
