"""``phfs demo``: an object store, a mount on it and a short session, all on this machine.

``world`` starts and ends the store (moto, on loopback) and the mount (``phfs-mount``, a process of
its own); ``session`` is what is shown, each step with a check of its result; ``screen`` prints.
Called by ``cli``; needs the extra ``demo``.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

from phfs.demo.screen import Screen
from phfs.demo.session import DemoFailed, show
from phfs.demo.world import World, running_world

__all__ = ["run"]


def run(*, keep: bool) -> int:
    """Show the session; with ``keep`` wait for Ctrl-C before everything is taken down.

    Returns 0, or 1 when a step did not do what it should have. Nothing is left running or mounted.
    """
    screen = Screen()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with running_world(screen) as world:
            show(world, screen)
            if keep:
                _say_how_to_reach(world, screen)
                signal.pause()
            world.unmount(screen)
    except KeyboardInterrupt:
        screen.say("\nInterrupted: everything is unmounted and stopped.")
        return 0 if keep else 130  # 128 + SIGINT, as shells count
    except DemoFailed as failure:
        screen.fail(str(failure))
        return 1
    screen.say("The mount is gone, the objects would have stayed: that is all there is to it.")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _say_how_to_reach(world: World, screen: Screen) -> None:
    screen.step("It stays as it is until you press Ctrl-C.")
    screen.say(f"The files:    ls {world.mountpoint}")
    screen.say("The objects, in another terminal:")
    for name, value in world.environment.items():
        screen.say(f"  export {name}={value}")
    screen.say(f"  aws s3 ls --recursive s3://{world.bucket}/{world.prefix}")
    screen.say("or without the aws command:")
    screen.say(f"  {world.listing_command}")
