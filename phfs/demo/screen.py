"""What the demonstration prints: headings, commands with their output, failures."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


class Screen:
    """Prints to the terminal; colours only where there is one."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    def step(self, heading: str) -> None:
        """What comes next, in a sentence."""
        self._console.print()
        self._console.print(Text(heading, "bold"))

    def command(self, prompt: str, text: str) -> None:
        """What is done, as one would type it."""
        self._console.print(Text(f"{prompt} ", "green") + Text(text, "cyan"))

    def say(self, text: str) -> None:
        """A line of output, or a remark."""
        self._console.print(Text(text))

    def fail(self, text: str) -> None:
        """Why the demonstration ends early."""
        self._console.print(Text(f"phfs demo: {text}", "bold red"))
