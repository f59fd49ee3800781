"""One step of a plan carried out, in a bounded process: directories, binds, links, variables.

What has to be kept in place for as long as the pod lives (PHFS, nfs, git) is not here. Called by
``runner``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from phfs.errors import VolumeError
from phfs.sidecar import artifacts, forked, placing, publishing
from phfs.sidecar.plan import Plan
from phfs.sidecar.settings import Settings
from phfs.sidecar.steps import Bind, MakeDirectory, MakeLink, PublishEnvironment
from phfs.system.privileges import Identity

Applied = MakeDirectory | Bind | PublishEnvironment


class Applying:
    """Applies steps of one plan below one root."""

    def __init__(self, plan: Plan, settings: Settings) -> None:
        self._plan = plan
        self._settings = settings
        self._owner = Identity(*plan.owner)

    async def apply(self, *steps: Applied) -> None:
        """Carry steps out in their order; nothing changes if they were before.

        Raises ``VolumeError``.
        """
        for step in steps:
            if isinstance(step, Bind):
                self._stage(step).mkdir(parents=True, exist_ok=True)

        def apply_all() -> None:
            for step in steps:
                try:
                    self._apply(step)
                except OSError as error:
                    raise _failed(_WHAT[step.name] + step.path, error) from None

        await self._bounded(apply_all, _WHAT[steps[0].name] + steps[0].path)

    def _apply(self, step: Applied) -> None:
        root = self._settings.root
        match step:
            case MakeDirectory():
                placing.make_directory(root, step)
            case Bind():
                placing.bind(root, step, self._stage(step))
            case PublishEnvironment():
                variables = self._plan.environment
                publishing.write_environment(root, step.path, variables, self._owner)
                if self._plan.kind == "job":
                    artifacts.install(root / step.path)

    def _stage(self, step: Bind) -> Path:
        return self._settings.private / "stage" / step.path.replace("/", "-")

    async def link(self, step: MakeLink) -> str:
        """Make a link; why there is none, empty if there is."""
        inside = self._plan.inside
        try:
            said = await self._bounded(
                lambda: placing.make_link(self._settings.root, step, inside, self._owner),
                f"Making the link {step.path}",
            )
        except VolumeError as error:
            return f"There is no link {step.path} to {step.target}: {error.why}"
        return str(said)

    async def _bounded(self, function: Callable[[], Any], what: str) -> Any:
        try:
            return await forked.call(function, self._settings.step_seconds, what)
        except OSError as error:
            raise _failed(what, error) from None


_WHAT = {"mkdir": "Making ", "bind": "Binding at ", "environment": "Writing the variables to "}


def _failed(what: str, error: OSError) -> VolumeError:
    place = f" ({error.filename})" if error.filename else ""
    return VolumeError(f"{what} failed: {error.strerror}{place}.")
