"""Fields become what the schema says they are, or their record is rejected with a reason.

Rules kept here:
* the dataframely schema is the only definition: types, shapes, sets and required fields are read from it;
* an empty text is null, nothing is trimmed, and a number is digits and nothing else;
* one rejected record gives one reject row: a card number first, else the first failing
  column in the order of the schema, with the other failing columns named;
* reasons describe and never quote.

CSV brings texts, Parquet brings typed columns; both end in the same frame. What the
fields mean together (keys, repetitions) is left to `merchants`, `transactions` and `duplicates`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import dataframely as dy
import polars as pl

from merchantscreen.intake import cards
from merchantscreen.intake.lines import CONTROL_PATTERN, LINE
from merchantscreen.intake.problems import PROBLEMS, REJECT_ROW_SCHEMA
from merchantscreen.intake.soundness import (
    FIRST_YEAR,
    LAST_YEAR,
    doubtful,
    free_texts,
    holds_card,
    holds_contact,
    holds_control,
    identifiers,
)
from merchantscreen.intake.soundness import doubtful_values as doubtful_typed
from merchantscreen.tables import schema_of

LIST_SEPARATOR: Final = ";"
_INTEGER: Final = r"^(?:0|[1-9][0-9]*)$"
_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_MOMENT: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?$"
)
_SECONDS_WIDTH: Final = len("2026-01-31T12:00:00")

_RULE_CODES: Final = {
    "nullability": "MS-FLD-001",
    "min": "MS-FLD-003",
    "max": "MS-FLD-021",
    "max_length": "MS-FLD-014",
    "regex": "MS-FLD-015",
    "check__one_of": "MS-FLD-016",
}
"""What a broken rule of the schema is called."""
_SET_CODES: Final = {"currency": "MS-FLD-017", "country": "MS-FLD-018"}
"""Closed sets with a code of their own, by the last word of the column name."""
CARD: Final = "MS-CARD-001"
CONTACT: Final = "MS-FLD-020"


@dataclass(frozen=True, slots=True)
class Judged:
    """The records of one block after all checks of single fields.

    Attributes:
        accepted: `LINE` and every column of the schema, typed.
        rejected: Rejected records, see `problems.REJECT_ROW_SCHEMA`.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame


def judge(frame: pl.DataFrame, table: type[dy.Schema]) -> Judged:
    """Type the fields of a frame (`LINE` and any columns of the schema) and check every record."""
    typed = _typed(frame, table)
    doubted = _unreadable(frame, typed) | doubtful(typed, table)
    if not doubted.any():
        return Judged(typed, pl.DataFrame(schema=REJECT_ROW_SCHEMA))
    judged = judge_exactly(frame.filter(doubted), table)
    kept = pl.concat([typed.filter(~doubted), judged.accepted]) if judged.accepted.height else typed.filter(~doubted)
    return Judged(kept.sort(LINE), judged.rejected)


def doubtful_values(values: pl.Series, table: type[dy.Schema]) -> pl.Series:
    """Mark the values of one column as it comes, under its name in the schema, that could break a rule."""
    typed = _within_years(_read(values, schema_of(table)[values.name]))
    lost, marks = _lost(values, typed), doubtful_typed(typed, table)
    return lost if marks is None else lost | marks


def judge_exactly(frame: pl.DataFrame, table: type[dy.Schema]) -> Judged:
    """Check every record by every rule: what `judge` has to come to, and what it does with the doubtful ones."""
    typed = _typed(frame, table)
    broken = _unreadable(frame, typed) | _cards(frame, typed) | _controls(typed, table) | _contacts(typed, table)
    accepted, failure = _with_line(table).filter(typed.filter(~broken))
    kept = pl.DataFrame(accepted)
    if kept.height == frame.height:
        return Judged(kept, pl.DataFrame(schema=REJECT_ROW_SCHEMA))
    bad = broken | frame[LINE].is_in(failure.invalid()[LINE].implode())
    return Judged(kept, _explain(frame.filter(bad), typed.filter(bad), table))


@cache
def _with_line(table: type[dy.Schema]) -> type[dy.Schema]:
    """Extend a schema by the line number, so that a record keeps its place through the filter."""
    return type(f"{table.__name__}WithLine", (table,), {"_line": dy.Int64(nullable=False, alias=LINE)})


# --------------------------------------------------------------------------- typing


def _typed(frame: pl.DataFrame, table: type[dy.Schema]) -> pl.DataFrame:
    """Give every column of the schema its type; what cannot be read becomes null."""
    schema = schema_of(table)
    columns = [
        _within_years(_read(frame[name], dtype))
        if name in frame.columns
        else pl.Series(name, [None], dtype).new_from_index(0, frame.height)
        for name, dtype in schema.items()
    ]
    return pl.DataFrame([*columns, frame[LINE]])


def _within_years(values: pl.Series) -> pl.Series:
    """Keep the moments and days that every program can hold, null for the others."""
    if not values.dtype.is_temporal():
        return values
    fits = values.dt.year().is_between(FIRST_YEAR, LAST_YEAR).fill_null(value=True)
    return values if fits.all() else values.set(~fits, None)


def _read(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Read one column as a type of the schema."""
    if values.dtype != pl.String:
        return values.cast(dtype, strict=False)
    match dtype:
        case pl.String():
            return values
        case pl.Int64():
            return _where(values, _INTEGER).cast(pl.Int64, strict=False)
        case pl.Date():
            return _where(values, _DATE).str.to_date("%Y-%m-%d", strict=False)
        case pl.Datetime():
            return _moments(values)
        case pl.Boolean():
            return values.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
        case pl.List():
            return _lists(values)
        case _:
            raise AssertionError(f"no reader for {dtype}")


def _where(values: pl.Series, pattern: str) -> pl.Series:
    """Keep the texts of a shape, null for the others."""
    fits = values.str.contains(pattern).fill_null(value=True)
    return values if fits.all() else values.set(~fits, None)


def _moments(values: pl.Series) -> pl.Series:
    """Read moments: whole seconds by their fixed width, then decimals and offset where there are any."""
    shaped = _where(values, _MOMENT)
    seconds = shaped.str.head(_SECONDS_WIDTH).str.replace(" ", "T", literal=True)
    moments = seconds.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    tails = shaped.str.slice(_SECONDS_WIDTH)
    if tails.is_in(["", "Z"]).fill_null(value=True).all():
        return moments
    frame = pl.DataFrame({"moment": moments, "tail": tails})
    return frame.select((pl.col("moment") + _decimals() - _offset()).alias(values.name)).to_series()


def _decimals() -> pl.Expr:
    digits = pl.col("tail").str.extract(r"^\.([0-9]+)").fill_null("0").str.pad_end(6, "0")
    return pl.duration(microseconds=digits.cast(pl.Int64), time_unit="us")


def _offset() -> pl.Expr:
    """Read `+05:30` as a duration; an offset of 24 hours or 60 minutes and more is null."""
    tail = pl.col("tail")
    sign = pl.when(tail.str.contains("-", literal=True)).then(-1).otherwise(1)
    hours = tail.str.extract(r"[+-]([0-9]{2}):").fill_null("0").cast(pl.Int64)
    minutes = tail.str.extract(r":([0-9]{2})$").fill_null("0").cast(pl.Int64)
    valid = (hours < 24) & (minutes < 60)
    return pl.duration(minutes=pl.when(valid).then(sign * (hours * 60 + minutes)), time_unit="us")


def _lists(values: pl.Series) -> pl.Series:
    """Split lists, drop blanks around items and empty items; a list without items is null."""
    frame = pl.DataFrame({"text": values})
    item = pl.element().str.strip_chars(" ")
    items = pl.col("text").str.split(LIST_SEPARATOR).list.eval(item.filter(item != ""))
    return frame.select(pl.when(items.list.len() > 0).then(items).alias(values.name)).to_series()


# --------------------------------------------------------------------------- judging


def _unreadable(frame: pl.DataFrame, typed: pl.DataFrame) -> pl.Series:
    """Mark records with a field that holds something its type cannot."""
    return _any([_lost(frame[name], typed[name]) for name in _own(frame)], frame.height)


def _lost(before: pl.Series, after: pl.Series) -> pl.Series:
    """Mark values that were there before typing and are not after it; an empty list was never there."""
    if isinstance(after.dtype, pl.List) or before.null_count() == after.null_count():
        return before.is_null() & before.is_not_null()
    return before.is_not_null() & after.is_null()


def _cards(frame: pl.DataFrame, typed: pl.DataFrame) -> pl.Series:
    """Mark records with a field that holds what looks like a card number."""
    return _any([holds_card(typed[name]) for name in _own(frame)], frame.height)


def _controls(typed: pl.DataFrame, table: type[dy.Schema]) -> pl.Series:
    """Mark records with a control character in a free text; Parquet can bring them past the line check."""
    return _any([holds_control(typed[name]) for name in free_texts(table)], typed.height)


def _contacts(typed: pl.DataFrame, table: type[dy.Schema]) -> pl.Series:
    """Mark records with an identifier or token that is contact data; results print identifiers."""
    return _any(_contacts_by_column(typed, table).get_columns(), typed.height)


def _contacts_by_column(typed: pl.DataFrame, table: type[dy.Schema]) -> pl.DataFrame:
    """Say of every identifier and token whether it is contact data."""
    return typed.select(holds_contact(name, typed.schema[name]) for name in identifiers(table))


def _any(masks: list[pl.Series], height: int) -> pl.Series:
    total = pl.repeat(value=False, n=height, dtype=pl.Boolean, eager=True)
    for mask in masks:
        total = total | mask
    return total


def _own(frame: pl.DataFrame) -> list[str]:
    return [name for name in frame.columns if name != LINE]


# --------------------------------------------------------------------------- reasons


def _explain(frame: pl.DataFrame, typed: pl.DataFrame, table: type[dy.Schema]) -> pl.DataFrame:
    """Give each rejected record its reason: a code per failing column, then the one that counts."""
    rules = _broken_rules(typed, table)
    names = table.column_names()
    contacts = dict.fromkeys(names, _any([], typed.height)) | _contacts_by_column(typed, table).to_dict()
    codes = pl.DataFrame([_codes(name, frame, typed, rules, contacts[name]).alias(name) for name in names])
    card = pl.coalesce(_name_where(name, pl.col(name) == CARD) for name in names)
    first = pl.coalesce(_name_where(name, pl.col(name).is_not_null()) for name in names)
    failing = pl.concat_list(_name_where(name, pl.col(name).is_not_null()) for name in names).list.drop_nulls()
    code = pl.when(card.is_not_null()).then(pl.lit(CARD)).otherwise(pl.coalesce(names))
    chosen = codes.select(frame[LINE].alias("line"), column=pl.coalesce(card, first), code=code, failing=failing)
    return chosen.select("line", "column", "code", found=_found(), expected=pl.lit(None)).cast(REJECT_ROW_SCHEMA)


def _name_where(name: str, condition: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(pl.lit(name))


def _found() -> pl.Expr:
    """Name the other failing columns, if any; null leaves the usual words."""
    others = pl.col("failing").list.set_difference(pl.concat_list("column")).list.sort().list.join(", ")
    title = pl.col("code").replace_strict({code: kind.title for code, kind in PROBLEMS.items()})
    return pl.when(pl.col("failing").list.len() > 1).then(pl.format("{} (also failing: {})", title, others))


def _broken_rules(typed: pl.DataFrame, table: type[dy.Schema]) -> pl.DataFrame:
    """Return `LINE` and, per column of the schema, the name of the first rule its value breaks."""
    details = _with_line(table).filter(typed)[1].details()
    broken = [
        pl.coalesce(
            pl.lit(None, pl.String),
            *(
                _name_where(rule.partition("|")[2], pl.col(rule).cast(pl.String) == "invalid")
                for rule in details.columns
                if rule.startswith(f"{name}|")
            ),
        ).alias(name)
        for name in table.column_names()
    ]
    return typed.select(LINE).join(details.select(LINE, *broken), on=LINE, how="left", maintain_order="left")


def _codes(name: str, frame: pl.DataFrame, typed: pl.DataFrame, rules: pl.DataFrame, contact: pl.Series) -> pl.Series:
    """Return the code of one column for each record, null where the field is well."""
    rule = pl.col("rule").replace_strict(_rule_codes(name), default="MS-FLD-015", return_dtype=pl.String)
    code = pl.when(pl.col("rule").is_not_null()).then(rule)
    if name not in frame.columns:
        return pl.DataFrame({"rule": rules[name]}).select(code).to_series()
    raw = frame[name]
    lost = _lost(raw, typed[name])
    marks = {"card": holds_card(typed[name]), "contact": contact}
    judged = pl.DataFrame({"rule": rules[name], "lost": lost, "text": _as_text(raw), **marks})
    hidden = pl.col("lost") & cards.card_number_expression(pl.col("text"))
    unreadable = _unreadable_code(typed[name].dtype, is_text=raw.dtype == pl.String)
    control = pl.col("text").str.contains(CONTROL_PATTERN)
    return judged.select(
        pl.when(pl.col("card") | hidden)
        .then(pl.lit(CARD))
        .when("lost")
        .then(unreadable)
        .when(control)
        .then(pl.lit("MS-FLD-019"))
        .when("contact")
        .then(pl.lit(CONTACT))
        .otherwise(code)
    ).to_series()


def _as_text(raw: pl.Series) -> pl.Series:
    return raw.list.join(LIST_SEPARATOR) if isinstance(raw.dtype, pl.List) else raw.cast(pl.String, strict=False)


def _rule_codes(name: str) -> dict[str, str]:
    """Return the code of each rule for a column; two closed sets have codes of their own."""
    own_set = _SET_CODES.get(name.rpartition("_")[2])
    return {**_RULE_CODES, "check__one_of": own_set} if own_set else _RULE_CODES


def _unreadable_code(dtype: pl.DataType, *, is_text: bool) -> pl.Expr:
    """Say why a value could not be read as its type."""
    match dtype:
        case pl.Int64():
            return _integer_code() if is_text else pl.lit("MS-FLD-009")
        case pl.Date():
            return _shape_code(_DATE, "MS-FLD-010") if is_text else pl.lit("MS-FLD-012")
        case pl.Datetime():
            return _shape_code(_MOMENT, "MS-FLD-011") if is_text else pl.lit("MS-FLD-012")
        case pl.Boolean():
            return pl.lit("MS-FLD-013")
        case _:
            return pl.lit("MS-FLD-015")


def _shape_code(pattern: str, code: str) -> pl.Expr:
    """Tell a text of the wrong shape from a day or time that does not exist."""
    return pl.when(pl.col("text").str.contains(pattern)).then(pl.lit("MS-FLD-012")).otherwise(pl.lit(code))


def _integer_code() -> pl.Expr:
    """Teach the difference between an integer and what people write instead."""
    text = pl.col("text")
    return (
        pl.when(text.str.contains(r"^\s|\s$")).then(pl.lit("MS-FLD-008"))
        .when(text.str.contains(r"^-[0-9]+$")).then(pl.lit("MS-FLD-003"))
        .when(text.str.contains(r"^[+-]?[0-9]*[.,][0-9]+$")).then(pl.lit("MS-FLD-004"))
        .when(text.str.contains(r"^\+[0-9]+$")).then(pl.lit("MS-FLD-005"))
        .when(text.str.contains(r"^0[0-9]+$")).then(pl.lit("MS-FLD-006"))
        .when(text.str.contains(r"^[+-]?(?:0[xX][0-9A-Fa-f]+|[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+)$"))
        .then(pl.lit("MS-FLD-007"))
        .when(text.str.contains(_INTEGER)).then(pl.lit("MS-FLD-009"))
        .otherwise(pl.lit("MS-FLD-002"))
    )  # fmt: skip
