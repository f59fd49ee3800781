"""All topics, in the order in which they are measured and shown."""

from __future__ import annotations

from collections.abc import Collection

from bench.growth import directories, knobs, limits, readers, sizes
from bench.growth.point import Topic

TOPICS = (sizes.TOPIC, directories.TOPIC, readers.TOPIC, limits.TOPIC, *knobs.TOPICS)


def chosen(names: Collection[str]) -> list[Topic]:
    """Those with these names, all if none is named."""
    return [topic for topic in TOPICS if not names or topic.name in names]
