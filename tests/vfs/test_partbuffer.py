"""The buffer of a part: what it holds, what it allocates, and its checksum."""

from __future__ import annotations

from awscrt.checksums import crc32c  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from phfs.s3.headers import checksum_of
from phfs.vfs.partbuffer import OWN_CHUNK, PartBuffer

SIZES = st.one_of(st.integers(1, 200), st.sampled_from([OWN_CHUNK - 1, OWN_CHUNK, OWN_CHUNK + 1]))


@given(st.lists(SIZES, max_size=30))
def test_any_writes_are_held_counted_and_summed(sizes: list[int]) -> None:
    buffer = PartBuffer()
    written = b""
    for number, size in enumerate(sizes):
        data = bytes([number % 251]) * size
        expected = buffer.allocated + buffer.cost(size)
        buffer.append(data)
        written += data
        assert buffer.allocated == expected
        assert b"".join(buffer.chunks) == written
        assert buffer.chunks.crc == crc32c(written)
    assert buffer.size == len(written) <= buffer.allocated or not sizes
    assert checksum_of(buffer.chunks) == checksum_of([written])


def test_many_small_writes_share_few_chunks() -> None:
    buffer = PartBuffer()
    for _ in range(10_000):
        buffer.append(b"0123456789")
    assert len(buffer.chunks) <= 3
    assert buffer.allocated < 3 * OWN_CHUNK
