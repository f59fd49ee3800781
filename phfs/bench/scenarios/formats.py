"""Files read as libraries read them: mapped by several processes, and columns of a table."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow  # type: ignore[import-untyped]
from pyarrow import parquet

from phfs.bench.cold import dropped_afterwards
from phfs.bench.floor import Floor, Span
from phfs.bench.place import Place
from phfs.bench.scenario import MB_PER_SECOND, MIB, Scenario, Size, Theme
from phfs.bench.together import workers
from phfs.bench.turn import Turn
from phfs.bench.work import read_mapped
from phfs.bench.wrong import expect

CURSORS = 4
COLUMNS = 16
ROW_GROUPS = 16
"""Also in quick runs: of less there is nothing for anybody to learn where the next column lies."""
WANTED = ["column-2", "column-7", "column-12"]


def theme(size: Size) -> Theme:
    """The scenarios."""
    scenarios = (_mapped(size.pick(512, 128) * MIB), _parquet())
    return Theme("formats", "Files as libraries read them", scenarios)


def _mapped(total: int) -> Scenario:
    each = total // CURSORS

    def mount(turn: Turn, root: Path) -> None:
        turn.stale()
        parts = [(str(root / "file"), index * each, each) for index in range(CURSORS)]
        expect("bytes read", total, workers(turn, read_mapped, parts))
        with dropped_afterwards() as open_file:
            open_file(root / "file")

    def floor(turn: Turn, store: Floor) -> None:
        with turn.timed():
            store.read("file", total)

    return Scenario(
        f"read-mmap-{CURSORS}",
        f"mmap of {total // MIB} MiB by {CURSORS} processes, a part each (as safetensors)",
        MB_PER_SECOND,
        total,
        "file pages, metadata (connections are warm)",
        lambda place: place.put_large("file", total),
        mount,
        floor,
        "four threads with ranged GETs of 8 MiB",
    )


def _parquet() -> Scenario:
    amount = len(WANTED) * ROW_GROUPS * MIB
    chunks: list[Span] = []

    def prepare(place: Place) -> None:
        table = _table()
        chunks[:] = _chunks(table)
        place.put_all([("table.parquet", table)])

    def mount(turn: Turn, root: Path) -> None:
        turn.stale()
        with dropped_afterwards() as open_file:
            with turn.timed():
                descriptor = open_file(root / "table.parquet")
                with open(descriptor, "rb", buffering=0, closefd=False) as file:
                    read = parquet.ParquetFile(file).read(WANTED)
            expect("columns read", len(WANTED), read.num_columns)
            expect("rows read", ROW_GROUPS * MIB // 8, read.num_rows)

    def floor(turn: Turn, store: Floor) -> None:
        with turn.timed():
            store.read_spans("table.parquet", chunks)

    return Scenario(
        "read-parquet",
        f"{len(WANTED)} of {COLUMNS} columns of a parquet file of {COLUMNS * ROW_GROUPS} MiB",
        MB_PER_SECOND,
        amount,
        "file pages, metadata (connections are warm)",
        prepare,
        mount,
        floor,
        "four threads with a ranged GET for each piece of a column",
    )


def _table() -> bytes:
    """A parquet file with a MiB per column and row group."""
    rows = ROW_GROUPS * MIB // 8
    columns = {}
    for number in range(COLUMNS):
        content = pyarrow.py_buffer(os.urandom(rows * 8))
        columns[f"column-{number}"] = pyarrow.Array.from_buffers(
            pyarrow.int64(), rows, [None, content]
        )
    file = BytesIO()
    parquet.write_table(
        pyarrow.table(columns),
        file,
        row_group_size=MIB // 8,
        compression="none",
        use_dictionary=False,
    )
    return file.getvalue()


def _chunks(table: bytes) -> list[Span]:
    """Where in the file the wanted columns are."""
    metadata: Any = parquet.ParquetFile(BytesIO(table)).metadata
    spans = []
    for group in range(metadata.num_row_groups):
        for number in range(COLUMNS):
            column = metadata.row_group(group).column(number)
            if column.path_in_schema in WANTED:
                spans.append(Span(column.data_page_offset, column.total_compressed_size))
    return spans
