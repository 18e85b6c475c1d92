"""The vectorised way of splitting lines equals the strict one, line by line."""

from __future__ import annotations

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from merchantscreen.intake.lines import LINE, frame_block
from merchantscreen.intake.strict import RecordError, split_record

NAMES = ("x", "y", "z")
LINES = st.lists(st.text(alphabet='ab,"\té \u2028\x85', max_size=12) | st.just("a,b,c"), min_size=1, max_size=12)


def _by_the_oracle(line: str) -> list[str | None] | str:
    if not line:
        return "MS-CSV-010"
    try:
        fields = split_record(line)
    except RecordError as error:
        return error.code
    if len(fields) != len(NAMES):
        return "MS-CSV-012" if len(fields) < len(NAMES) else "MS-CSV-013"
    return [field or None for field in fields]


@settings(max_examples=100, deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n"]))
@example(['"a",b,c', "a,b,c", '"'], "\n")
def test_every_line_is_split_or_refused_as_the_oracle_does(lines: list[str], ending: str) -> None:
    """Fields, reasons and line numbers agree, and read = accepted + rejected."""
    block = "".join(line + ending for line in lines).encode()
    records = frame_block(block, 2, NAMES)
    outcome: dict[int, list[str | None] | str] = {
        line: fields for line, *fields in records.accepted.select(LINE, *NAMES).iter_rows()
    }
    outcome |= dict(records.rejected.select(pl.col("line"), "code").iter_rows())
    assert records.accepted.height + records.rejected.height == len(lines)
    assert outcome == {number: _by_the_oracle(line) for number, line in enumerate(lines, start=2)}
