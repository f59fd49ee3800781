"""A process that forks one worker for each share of some work, as a DataLoader does.

Owns the forking. It is a process of its own, because one that runs threads must not fork. Started
by ``together``; it reads the job from its standard input, says ``ready``, waits for a line, and
prints the sum of what the workers returned.
"""

from __future__ import annotations

import json
import os
import sys
from typing import NoReturn

from phfs.bench.work import WORK


def main() -> int:
    """Do one job; 1 if a worker failed."""
    job = json.loads(sys.stdin.readline())
    go, release = os.pipe()
    results, report = os.pipe()
    workers = []
    for share in job["shares"]:
        worker = os.fork()
        if worker == 0:
            os.close(release)
            _work(job["work"], share, go, report)
        workers.append(worker)
    os.close(report)
    with os.fdopen(results) as lines:
        for _ in workers:
            lines.readline()
        print("ready", flush=True)
        sys.stdin.readline()
        os.close(release)  # all of them see the end of the pipe at once
        answers = [json.loads(line) for line in lines]
    for worker in workers:
        os.waitpid(worker, 0)
    errors = [answer for answer in answers if isinstance(answer, str)]
    if errors or len(answers) < len(workers):
        print(json.dumps((errors or ["A worker died."])[0]))
        return 1
    print(sum(answers))
    return 0


def _work(name: str, share: object, go: int, report: int) -> NoReturn:
    """Be a worker: say that it is there, wait, work, and tell the result or the error's text."""
    os.write(report, b"there\n")
    os.read(go, 1)
    answer: int | str
    try:
        answer = WORK[name](share)
    except Exception as error:  # told to the process that waits
        answer = str(error) or type(error).__name__
    os.write(report, json.dumps(answer).encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
