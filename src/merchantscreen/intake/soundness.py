"""Which records are surely well, told from distinct values, so that only the others are judged one by one.

Rules kept here:
* a record is passed over only if every field of it keeps every rule of single fields: this is a shorter way to
  the same answer, and `fields` stays the definition; a property test holds the two together;
* a value that occurs a thousand times is looked at once;
* what is not surely well is doubtful, never wrong: `fields` says what is wrong with it, if anything.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import cache
from typing import Final

import dataframely as dy
import polars as pl

from merchantscreen.cards import MIN_DIGITS
from merchantscreen.contacts import IN_IDENTIFIER, IN_TOKEN
from merchantscreen.intake import cards
from merchantscreen.intake.lines import CONTROL_PATTERN
from merchantscreen.tables import ID_PATTERN, TOKEN_PATTERN

UNSURE: Final = "[^0-9A-Za-z_-]|[0-9-]{13}"
"""What a token or identifier has in it that could break a rule: another sign, or room for a card number."""
UNSURE_TEXT: Final = "[^ -~]|[0-9 .-]{13}"
"""What a free text has in it that could: a sign beyond printable ASCII, or room for a card number."""
SURE_BYTES: Final = 64
"""The shortest limit that an identifier or token has."""
_SHORT: Final = 10 ** (MIN_DIGITS - 1) - 1
"""The largest number that is too short for a card number."""
FIRST_YEAR, LAST_YEAR = 1, 9999
"""Years that every program we hand dates to can hold. Source: ISO 8601, RFC 3339, Python."""
_SOUND_YEARS: Final = FIRST_YEAR + 1, LAST_YEAR - 1
"""Years in which a moment stays one of ours in every time zone."""
_SAMPLE_ROWS: Final = 4_096
_FEW: Final = 256
"""Distinct values in a sample up to which a column is better looked at value by value."""


def doubtful(typed: pl.DataFrame, table: type[dy.Schema]) -> pl.Series:
    """Mark the records of a typed frame that could break a rule of a single field.

    Args:
        typed: Every column of the schema, typed; what could not be read is null and told elsewhere.
        table: The schema.
    """
    marks = pl.repeat(value=False, n=typed.height, dtype=pl.Boolean, eager=True)
    for name in table.column_names():
        mark = doubtful_values(typed[name], table)
        marks = marks if mark is None else marks | mark
    return marks


def doubtful_values(values: pl.Series, table: type[dy.Schema]) -> pl.Series | None:
    """Mark the doubtful values of one column of the schema, nulls where there must be none; None if there are none."""
    column = table.columns()[values.name]
    nulls = values.is_null() if not column.nullable and values.null_count() else None
    if values.null_count() == values.len():
        return nulls
    found = _bad_values(values, column, table)
    if not found.len():
        return nulls
    bad = values.is_in(found.implode()).fill_null(value=False)
    return bad if nulls is None else bad | nulls


def is_shaped(name: str, table: type[dy.Schema]) -> bool:
    """Tell whether a column holds identifiers or tokens, most of which are well if they are not `UNSURE`."""
    return column_pattern(table.columns()[name]) in {ID_PATTERN, TOKEN_PATTERN}


def doubt(name: str, table: type[dy.Schema], stored: pl.Expr) -> pl.Expr:
    """Tell the stored values of a column that are not surely well: of identifiers and tokens, numbers and moments.

    Args:
        name: The column of the schema.
        table: The schema.
        stored: The values as they are stored: texts, integers or moments of any unit.
    """
    column = table.columns()[name]
    match column:
        case dy.String():
            return _is_unsure(stored)
        case dy.Int64():
            low, high = column.min or 0, min(column.max or _SHORT, _SHORT)
            doubted = ~stored.is_between(low, high)
        case _:
            doubted = ~stored.dt.year().is_between(*_SOUND_YEARS)
    return doubted if column.nullable else doubted | stored.is_null()


def are_sound_years(first: int, last: int) -> bool:
    """Tell that no moment between two years is doubtful."""
    low, high = _SOUND_YEARS
    return low <= first and last <= high


def _bad_values(values: pl.Series, column: dy.Column, table: type[dy.Schema]) -> pl.Series:
    """Return the distinct values that break a rule."""
    name = values.name
    if not _has_rules(values.dtype, column):
        return values.clear()
    match values.dtype:
        case pl.Int64():
            return values.clear() if _is_within(values, column) else values.filter(~_fine(values, column, table))
        case pl.String() if is_shaped(name, table) and _is_varied(values):
            distinct = values.filter(~_is_sure(values)).unique()
        case pl.String() if isinstance(column, dy.String) and _is_free(column) and _is_varied(values):
            distinct = values.filter(_is_unsure_text(values, column)).unique()
        case pl.List() if _holds_any(column):
            distinct = _unsure_lists(values.drop_nulls(), table).unique()
        case _:
            distinct = values.drop_nulls().unique()
    return distinct.filter(~_fine(distinct.alias(name), column, table)) if distinct.len() else distinct


def _has_rules(dtype: pl.DataType, column: dy.Column) -> bool:
    """Tell whether a value that is there could break anything; moments, dates and booleans are what they are."""
    return not (dtype.is_temporal() or dtype == pl.Boolean) or len(_rules(column)) > (not column.nullable)


def column_pattern(column: dy.Column) -> str | None:
    """Return the shape that a text column asks for, if it asks for one."""
    return column.regex if isinstance(column, dy.String) else None


def _is_unsure(text: pl.Expr) -> pl.Expr:
    return text.str.contains(UNSURE) | (text.str.len_bytes() > SURE_BYTES)


def _is_sure(values: pl.Series) -> pl.Series:
    return values.to_frame().select(~_is_unsure(pl.first()) & (pl.first() != "")).to_series()


def _is_free(column: dy.String) -> bool:
    """Tell a free text, of which the schema at most says how long it may be."""
    return _rules(column) <= {"nullability", "max_length"}


def _is_unsure_text(values: pl.Series, column: dy.String) -> pl.Series:
    """Mark the free texts that could break a rule; null is null."""
    marks = values.str.contains(UNSURE_TEXT)
    return marks if column.max_length is None else marks | (values.str.len_bytes() > column.max_length)


def _holds_any(column: dy.Column) -> bool:
    """Tell a list of which the schema at most says that neither it nor an item may be missing."""
    return isinstance(column, dy.List) and _rules(column) <= {"nullability", "inner_nullability"}


def _unsure_lists(lists: pl.Series, table: type[dy.Schema]) -> pl.Series:
    """Return the lists with an item that could break a rule."""
    pattern = UNSURE if lists.name in identifiers(table) else UNSURE_TEXT
    items = lists.alias("item").to_frame().with_row_index("place").explode("item")
    unsure = items.filter(pl.col("item").is_null() | pl.col("item").str.contains(pattern))
    return lists.gather(unsure["place"].unique())


def _rules(column: dy.Column) -> AbstractSet[str]:
    """Name the rules that the schema has for a column."""
    return column.validation_rules(pl.lit(None)).keys()


def _is_varied(values: pl.Series) -> bool:
    return values.head(_SAMPLE_ROWS).n_unique() > _FEW


def _is_within(values: pl.Series, column: dy.Column) -> bool:
    """Tell from the ends alone that integers are inside their bounds and too short for a card number."""
    if not isinstance(column, dy.Int64) or column.check is not None or column.is_in is not None:
        return False
    low, high = values.min(), values.max()
    if not isinstance(low, int) or not isinstance(high, int):
        return True
    is_inside = (column.min is None or low >= column.min) and (column.max is None or high <= column.max)
    return is_inside and high <= _SHORT


def _fine(values: pl.Series, column: dy.Column, table: type[dy.Schema]) -> pl.Series:
    """Tell of each value whether it keeps all rules, those of the schema and those of every field."""
    name = values.name
    rules = [rule.fill_null(value=True) for rule in column.validation_rules(pl.col(name)).values()]
    marks = [holds_card(values)]
    if name in free_texts(table):
        marks.append(holds_control(values))
    if name in identifiers(table):
        marks.append(values.to_frame().select(holds_contact(name, values.dtype)).to_series())
    kept = values.to_frame().select(fine=pl.all_horizontal(pl.lit(value=True), *rules)).to_series()
    for mark in marks:
        kept = kept & ~mark
    return kept


# --------------------------------------------------------------------------- the rules that no schema states


def holds_card(values: pl.Series) -> pl.Series:
    """Mark the values that hold what looks like a card number; null is false."""
    match values.dtype:
        case pl.String():
            found = values.to_frame().select(cards.card_number_expression(pl.first())).to_series()
        case pl.Int64():
            found = cards.card_number_integers(values)
        case pl.List():
            joined = values.list.join("\n")
            found = joined.to_frame().select(cards.card_number_expression(pl.first())).to_series()
        case _:
            found = pl.repeat(value=False, n=values.len(), dtype=pl.Boolean, eager=True)
    return found


def holds_control(values: pl.Series) -> pl.Series:
    """Mark the texts with a control character; Parquet can bring them past the check of lines."""
    return values.str.contains(CONTROL_PATTERN).fill_null(value=False)


def holds_contact(name: str, dtype: pl.DataType) -> pl.Expr:
    """Build the check that an identifier or token is no contact data; results print identifiers."""
    text = pl.col(name).list.join("\n") if isinstance(dtype, pl.List) else pl.col(name)
    found = text.str.contains(IN_TOKEN if name.endswith(("_token", "_tokens")) else IN_IDENTIFIER)
    return found.fill_null(value=False).alias(name)


@cache
def free_texts(table: type[dy.Schema]) -> tuple[str, ...]:
    """Name the text columns whose shape the schema leaves open."""
    texts = ((name, column) for name, column in table.columns().items() if isinstance(column, dy.String))
    return tuple(name for name, column in texts if column.regex is None and column.check is None)


@cache
def identifiers(table: type[dy.Schema]) -> tuple[str, ...]:
    """Name the columns of identifiers, tokens and codes: texts of a set shape, and lists of anything but websites."""
    columns = table.columns().items()
    shaped = (name for name, column in columns if isinstance(column, dy.String) and column.regex is not None)
    return (*shaped, *(name for name, column in columns if isinstance(column, dy.List) and name != "website_urls"))
