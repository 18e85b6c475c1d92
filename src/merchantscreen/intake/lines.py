r"""CSV as lines of bytes: every line ends as header, accepted record or rejected line with its number.

Rules kept here:
* lines are framed on bytes at `\n` (a `\r` before it is dropped), before anything is decoded;
* one record is one line: a quote left open spoils its own line and no other;
* lines without quotes are counted and split in Polars, lines with quotes by `strict.split_record`;
* a line of more than 64 KiB is cut away without being buffered;
* an empty field is null; nothing else about a field is decided here.

What the columns mean is left to `mapping`, what the texts mean to `fields`.
Source: design and measurements in docs/adr; RFC 4180, without line breaks inside quotes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl

from merchantscreen.errors import InputError, Problem
from merchantscreen.intake import files, strict
from merchantscreen.intake.problems import PROBLEMS, REJECT_ROW_SCHEMA, nearest

MAX_LINE_BYTES: Final = 64 * 1024
LINE: Final = "(line)"
"""Column of line numbers in accepted records; a header may not hold this name."""
MAX_SHOWN: Final = 64
MAX_SHOWN_DIGITS: Final = 4
"""Longest column name, and most digits in one, that are repeated in a message."""
_BOM: Final = b"\xef\xbb\xbf"
_CONTROLS: Final = bytes(sign for sign in (*range(32), 127) if sign not in b"\t\n\r")
CONTROL_PATTERN: Final = r"[\x00-\x08\x0A-\x1F\x7F]"
"""Control characters but the tab, once line breaks are off."""

BLANK, NOT_UTF8, TOO_FEW, TOO_MANY, CONTROL, TOO_LONG = (f"MS-CSV-{n:03d}" for n in range(10, 16))


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one block of a file.

    Attributes:
        accepted: `LINE` and one text column per field of the header.
        rejected: Rejected lines, see `problems.REJECT_ROW_SCHEMA`.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame


def read_header(path: Path) -> list[str]:
    """Return the column names of a file.

    Raises:
        InputError: The first line is no header.
    """
    with files.open_binary(path) as stream:
        first, newline, rest = stream.read(MAX_LINE_BYTES + 2).partition(b"\n")
    try:
        names = strict.split_record(first.removeprefix(_BOM).removesuffix(b"\r").decode("utf-8"))
    except (strict.RecordError, UnicodeDecodeError) as error:
        raise InputError("a header cannot be read", (PROBLEMS["MS-CSV-001"].at(path.name, 1),)) from error
    if len(first) > MAX_LINE_BYTES or not all(name.isprintable() and name not in {"", LINE} for name in names):
        raise InputError("a header cannot be read", (PROBLEMS["MS-CSV-001"].at(path.name, 1),))
    if not newline or not rest:
        raise InputError("a file holds no rows", (PROBLEMS["MS-CSV-002"].at(path.name),))
    return names


class CsvFile:
    """One pass over a CSV file; size and digest are known once the pass is over.

    Args:
        path: The file, which `files.expand` has passed.
        names: Its header, as `read_header` returned it.
        on_bytes: Told how many bytes were read.
    """

    def __init__(self, path: Path, names: Sequence[str], on_bytes: Callable[[int], None] = lambda _: None) -> None:
        self.path = path
        self.names = tuple(names)
        self.size_bytes = 0
        self._on_bytes = on_bytes
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Digest of the bytes read so far, hexadecimal."""
        return self._sha256.hexdigest()

    def blocks(self) -> Iterator[Records]:
        """Yield the records in file order, in blocks of bounded size."""
        line = 1
        with files.open_binary(self.path) as stream:
            for block in whole_lines(stream, self._note):
                records = block[block.find(b"\n") + 1 :] if line == 1 else block
                line = max(line, 2)
                if records:
                    yield frame_block(records, line, self.names)
                    line += records.count(b"\n")

    def _note(self, block: bytes) -> None:
        self.size_bytes += len(block)
        self._sha256.update(block)
        self._on_bytes(len(block))


def whole_lines(stream: BinaryIO, note: Callable[[bytes], None] = lambda _: None) -> Iterator[bytes]:
    """Yield blocks of bytes that end at a line's end; a line that is too long is cut, never collected."""
    carry, skipping = b"", False
    while data := stream.read(files.BLOCK_BYTES):
        note(data)
        if skipping:
            end = data.find(b"\n")
            if end < 0:
                continue
            data, skipping = data[end:], False
        data = carry + data
        cut = data.rfind(b"\n") + 1
        carry = data[cut:]
        if len(carry) > MAX_LINE_BYTES:
            carry, skipping = carry[: MAX_LINE_BYTES + 2], True
        if cut:
            yield data[:cut]
    if carry:
        yield carry + b"\n"


def frame_block(block: bytes, first_line: int, names: Sequence[str]) -> Records:
    """Split a block of whole lines into accepted records and rejected lines."""
    lines = _decode(block).with_columns(line=pl.int_range(first_line, first_line + pl.len(), dtype=pl.Int64))
    judged = lines.with_columns(code=_line_code(len(names), clean=_is_clean(block)))
    plain = judged.filter(pl.col("code").is_null() & ~pl.col("quoted"))
    accepted = _split_plain(plain, names)
    rejected = _refused_lines(judged.filter(pl.col("code").is_not_null()), names)
    if judged["quoted"].any():
        quoted = judged.filter(pl.col("code").is_null() & pl.col("quoted"))
        accepted, rejected = _with_quoted(quoted, accepted, rejected, names)
    return Records(accepted, rejected)


def _is_clean(block: bytes) -> bool:
    """Say quickly whether a block is free of control characters and carriage returns."""
    return b"\r" not in block and len(block.translate(None, _CONTROLS)) == len(block)


def _decode(block: bytes) -> pl.DataFrame:
    """Return one row per line: text, whether it was UTF-8, whether it holds a quote."""
    try:
        texts = pl.Series("text", block[:-1].decode("utf-8").split("\n"), dtype=pl.String)
        frame = pl.DataFrame({"text": texts}).with_columns(utf8=pl.lit(value=True))
    except UnicodeDecodeError:
        decoded = [_decode_line(line) for line in block[:-1].split(b"\n")]
        frame = pl.DataFrame(decoded, schema={"text": pl.String, "utf8": pl.Boolean}, orient="row")
    without_return = pl.col("text").str.strip_suffix("\r") if b"\r" in block else pl.col("text")
    return frame.with_columns(text=without_return).with_columns(quoted=pl.col("text").str.contains('"', literal=True))


def _decode_line(line: bytes) -> tuple[str, bool]:
    try:
        return line.decode("utf-8"), True
    except UnicodeDecodeError:
        return line.decode("latin-1"), False


def _line_code(width: int, *, clean: bool) -> pl.Expr:
    """Build the reason why a line is no record, null where it is one or has quotes still to be split."""
    text, commas = pl.col("text"), pl.col("text").str.count_matches(",", literal=True)
    control = pl.lit(value=False) if clean else text.str.contains(CONTROL_PATTERN)
    return (
        pl.when(text.str.len_bytes() > MAX_LINE_BYTES).then(pl.lit(TOO_LONG))
        .when(~pl.col("utf8")).then(pl.lit(NOT_UTF8))
        .when(control).then(pl.lit(CONTROL))
        .when(text == "").then(pl.lit(BLANK))
        .when(pl.col("quoted")).then(None)
        .when(commas < width - 1).then(pl.lit(TOO_FEW))
        .when(commas > width - 1).then(pl.lit(TOO_MANY))
    )  # fmt: skip


def _split_plain(plain: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Split lines without quotes whose commas have been counted."""
    keys = [f"field_{place}" for place in range(len(names))]
    parts = plain["text"].str.split_exact(",", len(names) - 1).struct.rename_fields(keys).struct.unnest()
    fields = parts.select(pl.when(pl.col(key) != "").then(pl.col(key)).alias(key) for key in keys)
    return fields.rename(dict(zip(keys, names, strict=True))).insert_column(0, plain["line"].alias(LINE))


def _refused_lines(lines: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Turn judged lines into reject rows; only field counts need words of their own."""
    miscounted = pl.col("code").is_in([TOO_FEW, TOO_MANY])
    count = (pl.col("text").str.count_matches(",", literal=True) + 1).cast(pl.Int64)
    return _reject_rows(lines.select("line", "code", count=pl.when(miscounted).then(count)), names)


def _reject_rows(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    words = pl.when(pl.col("code") == TOO_FEW).then(pl.lit("too few fields")).otherwise(pl.lit("too many fields"))
    few = pl.col("code") == TOO_FEW
    first_missing = pl.col("count").replace_strict(dict(enumerate(names)), default=None, return_dtype=pl.String)
    return rows.select(
        "line",
        pl.when(few).then(first_missing).alias("column"),
        "code",
        pl.when(pl.col("count").is_not_null()).then(pl.format("{} ({})", words, pl.col("count"))).alias("found"),
        pl.when(pl.col("count").is_not_null()).then(pl.lit(str(len(names)))).alias("expected"),
    ).cast(REJECT_ROW_SCHEMA)


def _with_quoted(
    quoted: pl.DataFrame, accepted: pl.DataFrame, rejected: pl.DataFrame, names: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split the lines with quotes one by one and put them back between the others."""
    good: list[list[str | int | None]] = []
    bad: list[tuple[int, str, int | None]] = []
    for line, text in quoted.select("line", "text").iter_rows():
        try:
            fields = strict.split_record(text)
        except strict.RecordError as error:
            bad.append((line, error.code, None))
            continue
        if len(fields) == len(names):
            good.append([line, *(field or None for field in fields)])
        else:
            bad.append((line, TOO_FEW if len(fields) < len(names) else TOO_MANY, len(fields)))
    refused = pl.DataFrame(bad, schema={"line": pl.Int64, "code": pl.String, "count": pl.Int64}, orient="row")
    records = pl.DataFrame(good, schema=accepted.schema, orient="row")
    return (
        pl.concat([accepted, records]).sort(LINE),
        pl.concat([rejected, _reject_rows(refused, names)]).sort("line"),
    )


# --------------------------------------------------------------------------- small files, row by row


def read_records(
    path: Path, required: Collection[str], optional: Collection[str] = ()
) -> Iterator[tuple[int, dict[str, str]] | Problem]:
    """Read a small CSV file row by row: line number and the fields that are not empty, or a problem.

    Raises:
        InputError: The header cannot be read, or lacks or repeats or does not know a column.
    """
    names = read_header(path)
    problems = header_problems(path.name, names, required, [*required, *optional])
    if problems:
        raise InputError(f"{path.name} cannot be used", tuple(problems))
    for block in CsvFile(path, names).blocks():
        rows: dict[int, tuple[int, dict[str, str]] | Problem] = {}
        for line, *fields in block.accepted.iter_rows():
            rows[line] = (line, {name: text for name, text in zip(names, fields, strict=True) if text is not None})
        for line, column, code, found, expected in block.rejected.iter_rows():
            rows[line] = PROBLEMS[code].at(path.name, line, column, found=found, expected=expected)
        yield from (rows[line] for line in sorted(rows))


def header_problems(
    where: str, names: Sequence[str], required: Collection[str], known: Collection[str]
) -> list[Problem]:
    """Hold the columns of a file against those that are required and known; names must fit exactly."""
    missing = [PROBLEMS["MS-COL-001"].at(where, None, name) for name in sorted(required) if name not in names]
    unknown = [_unknown(where, name, known) for name in dict.fromkeys(names) if name not in known]
    twice = sorted({name for name in names if names.count(name) > 1})
    return missing + unknown + [PROBLEMS["MS-COL-003"].at(where, None, shown(name)) for name in twice]


def _unknown(where: str, name: str, known: Collection[str]) -> Problem:
    guess = nearest(name, known)
    expected = f"perhaps {guess}" if guess else None
    return PROBLEMS["MS-COL-002"].at(where, None, shown(name), expected=expected)


def shown(name: str) -> str:
    """Return a column name as far as it is one; a headless file has values, which are not repeated."""
    plain = name.replace("_", "").replace(" ", "").isalnum()
    digits = sum(map(str.isdigit, name))
    return name if plain and len(name) <= MAX_SHOWN and digits <= MAX_SHOWN_DIGITS else "(name not shown)"
