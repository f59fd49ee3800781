"""What Kubernetes takes, by its published schemas: unknown fields and wrong values are refused.

Owns the version that is asked. Called by the tests of manifests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]

VERSION = "1.37"


def problem_of(manifest: Mapping[str, Any]) -> str:
    """What is wrong with a manifest; empty if nothing is."""
    try:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{error.path}: {error.message}"
    return ""
