"""The volumes of a pod: what a pod may see and where, decided from one document.

Sees a mount as a process (``phfs-mount``) and never from inside; imports errors and configuration
only. From the document to what is done::

    reading       YAML, bounded, to plain values
    document      the values to checked models; every wrong field by its path
    dataset       what one ``Dataset`` object says, or why it cannot be used
    access        who may see and write which volume, and why
    places        where volumes are shown, which of two wins
    plan          the whole: volumes, steps, environment, what the containers mount
    report        a plan as text

and from the plan to a pod's volumes, in one process that has every privilege and parses nothing
from a network::

    run           what an earlier run left, the tree, the volumes, the end
    runner        the order of steps, and when a failed volume is tried again
    applying      one step, in a bounded process (``forked``) that follows no link (``placing``)
    phfsmount     ``phfs-mount`` as a process; ``keycopy`` its keys, ``tail`` its last words
    nfs, syncing  volumes of kind nfs and git; ``programs`` what they start
    board         how each volume is; ``publishing`` tells the pod, ``state`` probes and ``health``
    teardown      nothing stays mounted; ``orphans`` nobody stays in the table of processes
"""
