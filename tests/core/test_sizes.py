"""One rule for sizes."""

from __future__ import annotations

import pytest

from phfs.core.sizes import size


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (0.6, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1_310_720, "1.25 MiB"),
        (999 * 1024, "999 KiB"),
        (999.6 * 1024, "0.976 MiB"),
        (99.96 * 2**20, "100 MiB"),
        (2**40 * 5000, "4.88 PiB"),
        (9_999 * 2**50, "9999 PiB"),
    ],
)
def test_sizes_for_people(count: float, shown: str) -> None:
    assert size(count) == shown


def test_no_size_needs_more_than_nine_columns_or_is_written_with_an_exponent() -> None:
    for power in range(60):
        for near in (0.97, 0.976, 0.99, 0.9996, 1, 1.01, 1.337):
            shown = size(2**power * near)
            assert len(shown) <= 9, shown
            assert "e" not in shown
