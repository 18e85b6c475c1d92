"""Files with too many distinct names to be read in place: they are staged, and nothing of the first try is left."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from merchantscreen.intake.mapping import ColumnMapping
from merchantscreen.intake.problems import REJECT_ROW_SCHEMA
from merchantscreen.intake.reading import OpenFile, Reader
from merchantscreen.intake.tally import FileTally
from merchantscreen.intake.worker import Message, Worker
from merchantscreen.records import Silent


class CrowdedWorker(Worker):
    """Answers as the child does, over one pipe, and finds every file crowded after its first block."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: list[str] = []
        self._pipe: deque[Message] = deque()
        rejected = pl.DataFrame({"line": [7], "code": ["MS-FLD-001"]}, schema_overrides={"line": pl.Int64})
        block = {"kind": "block", "rows": 10, "stripped": {}, "unreadable": {}}
        self._replies = {
            "survey": [Message(block, (rejected,)), Message({"kind": "crowded"}, ())],
            "read": [Message(block, (pl.DataFrame(schema=REJECT_ROW_SCHEMA),))] * 2,
            "finish": [Message({"kind": "staged", "parts": ["part"], "present": ["account_id"]}, ())],
        }

    def ask(self, operation: str, path: Path | None = None, **_: Any) -> Iterator[Message]:
        """Send one request; what is not fetched of its reply stays in the pipe."""
        self.asked.append(operation if path is None else f"{operation} {path.name}")
        self._pipe += [*self._replies[operation], Message({"kind": "done"}, ())]
        while (message := self._pipe.popleft()).facts["kind"] != "done":
            yield message


def test_crowded_files_are_staged_whole(tmp_path: Path) -> None:
    """The end of the reply about the survey was once taken for that of the reading: a file was lost without a word."""
    paths = [tmp_path / name for name in ("one.parquet", "two.parquet")]
    for path in paths:
        path.touch()
    files = {
        place: OpenFile(FileTally("transactions", path, frozenset()), plain={"mcc": "mcc"})
        for place, path in enumerate(paths)
    }
    worker = CrowdedWorker(tmp_path)
    rows = Reader(ColumnMapping(), [worker], Silent(), in_place=True).transactions(files, tmp_path)
    assert worker.asked == [
        "survey one.parquet",
        "survey two.parquet",
        "read one.parquet",
        "read two.parquet",
        "finish",
    ]
    assert [file.tally.rows_read for file in files.values()] == [20, 20]
    assert not any(file.tally.rejected for file in files.values())
    assert rows.parts == [Path("part")]
    assert not rows.plain
