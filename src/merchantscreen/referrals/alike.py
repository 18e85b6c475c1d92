"""Reads many lines of referral events at once: lines of the same fields in the same order, field by field.

Rules kept here:
* lines are cut before the name of each field, and every part is then read as JSON of its own; a line that was cut in
  the wrong place has a part that is no JSON, so what is read here is what the whole line says, no field of it twice;
* every distinct value of a field is read once, and `plain` says whether it may be read this way;
* only what hotlines send by the thousand is read here: submissions and confirmations that are complete, not under a
  hold, and lead nowhere. All other lines are left to whoever reads lines one by one;
* an event becomes an object only for whoever asks for it: as one it takes twenty times the memory.

A property test holds this and reading line by line together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, overload

import polars as pl

from merchantscreen.referrals.events import ReferralEvent, needed_fields
from merchantscreen.referrals.plain import FIELDS, plain_value, recall_event
from merchantscreen.vocabulary import Classification, ReferralEventKind, ReferralStatus

MOST_LOOKS: Final = 16
"""Lines that are looked at for the fields and their order; one system writes one or two for each kind of event."""
_KINDS: Final = (ReferralEventKind.SUBMITTED, ReferralEventKind.CONFIRMED)
_UNCOMMON: Final = frozenset({"moved_to_domain", "hold_until"})
"""Fields that make an event more than a plain statement about one domain."""

_SIMPLE: Final = r'^ ?"([ !#-\[\]-~]*)"$'
"""A JSON text of visible ASCII signs that stand for themselves."""

_LINES: Final[dict[str, Any]] = {"line": pl.Int64, "text": pl.String}
_KEPT: Final[dict[str, Any]] = {
    **dict.fromkeys(("event", "reporting_hotline_id", "referral_id", "domain", "match_scope"), pl.String),
    **dict.fromkeys(("domain_dedicated", "classification", "status"), pl.String),
    **dict.fromkeys(("issued_at", "confirmed_at", "observed_at", "valid_from", "valid_until"), pl.Datetime("us")),
    "le_hold": pl.Boolean,
    "confidence": pl.Int64,
}
ROWS: Final = pl.Schema({"file": pl.Int64, **_LINES, **_KEPT})
"""One row per event: number of its file, number and text of its line, and the fields on which anything is decided."""


@dataclass(frozen=True, slots=True)
class Events(Sequence[ReferralEvent]):
    """Events in the order of files and lines, of which most are rows until somebody asks for them.

    Attributes:
        single: Events that were read one by one, with the numbers of file and line, in order.
        rows: The others, ROWS.
    """

    single: tuple[tuple[tuple[int, int], ReferralEvent], ...]
    rows: pl.DataFrame

    def __len__(self) -> int:
        """Count the events."""
        return len(self.single) + self.rows.height

    def __iter__(self) -> Iterator[ReferralEvent]:
        """Make an event of every row, in order."""
        places = self.rows.select("file", "line").iter_rows()
        listed = [*self.single, *zip(places, events_of(self.rows), strict=True)]
        return (event for _, event in sorted(listed, key=_place))

    @overload
    def __getitem__(self, place: int) -> ReferralEvent: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[ReferralEvent, ...]: ...
    def __getitem__(self, place: int | slice) -> ReferralEvent | tuple[ReferralEvent, ...]:
        """Return one event or some."""
        return tuple(self)[place]


def _place(listed: tuple[tuple[int, int], ReferralEvent]) -> tuple[int, int]:
    return listed[0]


def events_of(rows: pl.DataFrame) -> Iterator[ReferralEvent]:
    """Make events of rows, in their order."""
    return (recall_event(json.loads(text)) for text in rows.get_column("text"))


def read_alike(lines: Sequence[tuple[int, bytes]], file: int) -> pl.DataFrame:
    """Read those of some lines that can be read together.

    Args:
        lines: Lines of one file with their numbers, none of them too long to be read.
        file: Number of the file.

    Returns:
        ROWS, in no particular order.
    """
    frame = pl.DataFrame({"line": [number for number, _ in lines], "text": [raw for _, raw in lines]})
    rest = frame.select(pl.col("line"), pl.col("text").cast(pl.String, strict=False)).drop_nulls()
    found = [pl.DataFrame(schema=ROWS)]
    # Which lines are looked at says only how many are read here, never what is read.
    looked_at = rest.sample(min(MOST_LOOKS, rest.height), seed=1).get_column("text")
    for form in dict.fromkeys(form for text in looked_at if (form := _form_of(text)) is not None):
        rows = _read(rest, form).with_columns(file=pl.lit(file, pl.Int64)).select(ROWS.names())
        rest = rest.join(rows, on="line", how="anti")
        found.append(rows)
    return pl.concat(found)


@dataclass(frozen=True, slots=True)
class _Form:
    """The fields of a line, in order, and what stands between them."""

    names: tuple[str, ...]
    comma: str


def _form_of(text: str) -> _Form | None:
    """Return the form of a line; None if lines like it are to be read one by one."""
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_common = isinstance(stated, dict) and stated.keys() <= FIELDS - _UNCOMMON and "classification" in stated
    if not is_common or not set(needed_fields(_KINDS[0], None)) <= stated.keys():
        return None
    names = tuple(stated)
    return _Form(names, ", " if f', "{names[1]}":' in text else ",")


def _read(lines: pl.DataFrame, form: _Form) -> pl.DataFrame:
    """Read the lines of a form, ROWS but for the file."""
    parts = _cut(lines, form)
    read = parts.lazy()
    for name in form.names:
        written = _written(name)
        read = read.join(_values(name, parts.get_column(written)).lazy(), on=written)
    unstated = (pl.lit(None, dtype).alias(name) for name, dtype in _KEPT.items() if name not in form.names)
    return read.with_columns(*unstated).select(*_LINES, *_KEPT).filter(_is_common(frozenset(form.names))).collect()


def _written(name: str) -> str:
    """Name the column of a field as it is written."""
    return f"{name} as written"


def _cut(lines: pl.DataFrame, form: _Form) -> pl.DataFrame:
    """Cut lines into one column per field, named by `_written`; what has not all the fields is left out."""
    first, text = f'{{"{form.names[0]}":', pl.col("text")
    framed = lines.lazy().filter(text.str.starts_with(first), text.str.ends_with("}"))
    rest = framed.with_columns(rest=text.str.strip_prefix(first).str.strip_suffix("}"))
    for name, following in pairwise(form.names):
        halves = pl.col("rest").str.splitn(f'{form.comma}"{following}":', 2).struct
        rest = rest.with_columns(halves.field("field_0").alias(_written(name)), rest=halves.field("field_1"))
    return rest.rename({"rest": _written(form.names[-1])}).drop_nulls().collect()


def _values(name: str, written: pl.Series) -> pl.DataFrame:
    """Read the distinct texts of a field: those that are plain, and their values if they are kept."""
    distinct = pl.DataFrame({"text": written.unique()}).select("text", said=pl.col("text").str.extract(_SIMPLE))
    values = {}
    for text, said in distinct.iter_rows():
        try:
            values[text] = plain_value(name, json.loads(text) if said is None else said)
        except (KeyError, TypeError, ValueError, RecursionError):
            continue
    read = pl.DataFrame({written.name: pl.Series(list(values), dtype=pl.String)})
    if name not in _KEPT:
        return read
    return read.with_columns(pl.Series(name, map(_bare, values.values()), _KEPT[name]))


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, StrEnum) else value


def _is_common(names: frozenset[str]) -> pl.Expr:
    """Say which rows are complete, agree with themselves, and are common statements that count."""
    complete = pl.any_horizontal(
        (pl.col("event") == kind) & ((pl.col("classification") == Classification.NATIONAL) == (word is not None))
        for kind in _KINDS
        for word in (None, Classification.NATIONAL)
        if names.issuperset(needed_fields(kind, word))
    )
    ends = pl.col("valid_until").is_null() | pl.col("valid_from").is_null()
    return (
        complete
        & (ends | (pl.col("valid_until") > pl.col("valid_from")))
        & ~pl.col("le_hold")
        & (pl.col("status") != ReferralStatus.NOT_ILLEGAL)
        & (pl.col("classification") != Classification.IGNORE)
    )
