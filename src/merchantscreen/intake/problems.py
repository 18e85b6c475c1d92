"""Every problem intake can report: code, meaning, what is expected, how it is mended.

One table for files, columns, lines, fields, card numbers, keys, Parquet and mapping files;
docs/errors.md is generated from it. Descriptions never quote a value: a rejected
field may hold what must not be stored.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

import polars as pl

from merchantscreen.errors import ProblemKind
from merchantscreen.records import Role
from merchantscreen.tables import Rejects, schema_of

_KINDS: Final[tuple[ProblemKind, ...]] = (
    # --- the file as a whole -----------------------------------------------------------------
    ProblemKind("MS-FILE-001", "no such file or folder", "a file or folder that exists", "Check the path."),
    ProblemKind("MS-FILE-002", "an address instead of a file name", "a file on this machine",
                "Fetch the file yourself and give its path; this tool never opens a connection."),
    ProblemKind("MS-FILE-003", "a pattern instead of a file name (* ? [)", "one file or folder name",
                "Let your shell expand the pattern, give the folder, or rename the file."),
    ProblemKind("MS-FILE-004", "a symbolic link", "the file itself", "Give the path the link points to."),
    ProblemKind("MS-FILE-005", "neither a regular file nor a folder", "a regular file or a folder",
                "Save the data to a file first; pipes and devices are not read."),
    ProblemKind("MS-FILE-006", "a compressed file", "a plain file", "Decompress it first."),
    ProblemKind("MS-FILE-007", "content that does not fit the file's ending", "CSV text in *.csv, Parquet in *.parquet",
                "Rename the file to what it is, or export it again."),
    ProblemKind("MS-FILE-008", "a folder without usable files", "at least one file with an expected ending",
                "Put the files in it, or give the right folder."),
    ProblemKind("MS-FILE-009", "a folder with files of several kinds", "files of one kind in a folder",
                "Keep one kind in the folder, or list the files by name."),
    ProblemKind("MS-FILE-010", "an empty file", "a header and at least one row", "Export the file again."),
    ProblemKind("MS-FILE-011", "the same content as another file of this input", "every file once",
                "Remove one of the two, or every row would count twice."),
    ProblemKind("MS-FILE-012", "a file that may not be read", "a file this user may read",
                "Change its permissions, or run as a user who may read it."),
    ProblemKind("MS-FILE-013", "reading or writing failed underway", "a disk with room that works",
                "Free some space or choose another --out, then run again; nothing was published."),
    ProblemKind("MS-FILE-014", "a file that changed while it was in use", "the same bytes until the end of the run",
                "Keep input files as they are while a run reads them, and run again; nothing was published."),
    # --- columns -----------------------------------------------------------------------------
    ProblemKind("MS-COL-001", "a required column is missing", "the column",
                "Add the column, or name the one that holds it with --mapping."),
    ProblemKind("MS-COL-002", "an unknown column", "a column of the data dictionary",
                "Rename the column, or list it under `ignore` in a mapping file."),
    ProblemKind("MS-COL-003", "a column that appears twice", "every column once", "Remove or rename one of the two."),
    ProblemKind("MS-COL-004", "a column of an incompatible type", "a compatible type",
                "Export the column with the expected type."),
    ProblemKind("MS-COL-005", "an amount stored as a binary or decimal fraction", "an integer number of minor units",
                "Convert to minor units (cents) before exporting; fractions cannot be summed exactly."),
    ProblemKind("MS-COL-006", "a code stored as a number", "text, so that leading zeros survive",
                "Export the column as text; 0742 stored as a number has become 742."),
    # --- CSV lines ---------------------------------------------------------------------------
    ProblemKind("MS-CSV-001", "a header that cannot be read", "one line of column names in UTF-8, split by commas",
                "Export the file again as comma-separated UTF-8 with a header."),
    ProblemKind("MS-CSV-002", "a header without rows", "at least one row", "Export the file again."),
    ProblemKind("MS-CSV-010", "a blank line", "a record", "Remove the line."),
    ProblemKind("MS-CSV-011", "bytes that are not UTF-8", "text in UTF-8", "Export the file again as UTF-8."),
    ProblemKind("MS-CSV-012", "too few fields", "as many fields as the header",
                "Complete the row; an empty field still needs its comma."),
    ProblemKind("MS-CSV-013", "too many fields", "as many fields as the header",
                "Put quotes around a field that contains a comma."),
    ProblemKind("MS-CSV-014", "a NUL or other control character", "printable text", "Remove the character."),
    ProblemKind("MS-CSV-015", "a line of more than 64 KiB", "a shorter line",
                "Look for a missing line break, or shorten the fields."),
    ProblemKind("MS-CSV-016", "a quote inside a field that does not start with one", "quotes around the whole field",
                "Put the field in quotes and double the quotes inside it."),
    ProblemKind("MS-CSV-017", "text after a closing quote", "a comma or the end of the line",
                "Double the quotes inside the field."),
    ProblemKind("MS-CSV-018", "a quote that is not closed on its line", "one record on one line",
                "Close the quote, and take line breaks out of the field."),
    # --- fields ------------------------------------------------------------------------------
    ProblemKind("MS-FLD-001", "an empty field that is required", "a value", "Fill the field."),
    ProblemKind("MS-FLD-002", "a text that is not an integer", "digits only, such as 1999", "Write digits only."),
    ProblemKind("MS-FLD-003", "a negative number", "zero or a positive integer",
                "Write the amount without sign; transaction_type says which way the money went."),
    ProblemKind("MS-FLD-004", "a fraction of a minor unit", "an integer number of minor units",
                "Write 19.99 as 1999; check the currency's number of decimals."),
    ProblemKind("MS-FLD-005", "a plus sign before a number", "digits only, such as 1999", "Leave the sign out."),
    ProblemKind("MS-FLD-006", "leading zeros before a number", "digits only, such as 1999",
                "Leave the zeros out; check that columns are not mixed up."),
    ProblemKind("MS-FLD-007", "a number in exponent or hexadecimal notation", "digits only, such as 1999",
                "Export the column as integers; a spreadsheet may have rewritten it."),
    ProblemKind("MS-FLD-008", "blanks around a number", "digits only, such as 1999", "Remove the blanks."),
    ProblemKind("MS-FLD-009", "a number too large for 64 bits", "at most 9223372036854775807",
                "Check that columns are not mixed up."),
    ProblemKind("MS-FLD-010", "a text that is not a date", "a date such as 2026-01-31", "Write year-month-day."),
    ProblemKind("MS-FLD-011", "a text that is not a moment", "a moment such as 2026-01-31T12:00:00Z",
                "Write date, T, hours, minutes and seconds, and Z or an offset; at most six decimals."),
    ProblemKind("MS-FLD-012", "a date or time that does not exist", "a day and time of the calendar, years 1 to 9999",
                "Check the order of month and day."),
    ProblemKind("MS-FLD-013", "a text that is neither true nor false", "true or false", "Write true or false."),
    ProblemKind("MS-FLD-014", "a text that is too long", "a shorter text", "Shorten the field."),
    ProblemKind("MS-FLD-015", "a text of the wrong shape", "the shape the data dictionary gives",
                "Check for blanks at the edges, foreign characters, and mixed-up columns."),
    ProblemKind("MS-FLD-016", "a value outside the closed set", "a value of the data dictionary",
                "Translate the value under `values` in a mapping file."),
    ProblemKind("MS-FLD-017", "an unknown currency", "an ISO 4217 code such as EUR",
                "Write the three-letter code in capitals."),
    ProblemKind("MS-FLD-018", "an unknown country", "an ISO 3166-1 alpha-2 code such as NL",
                "Write the two-letter code in capitals."),
    ProblemKind("MS-FLD-019", "a NUL or other control character", "printable text", "Remove the character."),
    ProblemKind("MS-FLD-020", "contact data, a web address or plain words where an identifier or token belongs",
                "an identifier that gives nobody away",
                "Replace it by a token: identifiers are printed in every result."),
    ProblemKind("MS-FLD-021", "an amount beyond any real one", "at most 10000000000000 minor units",
                "Check the unit, and that columns are not mixed up."),
    # --- card numbers, keys ------------------------------------------------------------------
    ProblemKind("MS-CARD-001", "what looks like a card number", "no card numbers, only tokens",
                "Replace it by a token; a reference of 13 to 19 digits needs a letter in front if it collides."),
    ProblemKind("MS-KEY-001", "another row for the same account that differs", "one row per account",
                "Find out which row is right; none of them was taken."),
    ProblemKind("MS-KEY-002", "a repetition of the same account row", "one row per account", "Remove the repetition."),
    ProblemKind("MS-KEY-003", "another transaction with the same id that differs", "an id unique within its account",
                "Find out which row is right; none of them was taken."),
    ProblemKind("MS-KEY-004", "a repetition of the same transaction", "every transaction once",
                "Remove the repetition."),
    ProblemKind("MS-KEY-005", "an account that the merchant files do not hold; kept and screened without its profile",
                "a merchant row for every account", "Add the account to the merchant file, or correct its key."),
    # --- Parquet -----------------------------------------------------------------------------
    ProblemKind("MS-PQT-001", "a footer or schema that cannot be read", "a Parquet file", "Export the file again."),
    ProblemKind("MS-PQT-002", "a Parquet file without rows", "at least one row", "Export the file again."),
    ProblemKind("MS-PQT-003", "a Parquet file that cannot be decoded", "an intact Parquet file",
                "Compare its digest with the sender's and export the file again."),
    # --- mapping files -----------------------------------------------------------------------
    ProblemKind("MS-MAP-001", "a mapping file that is not YAML", "YAML", "Mend the line."),
    ProblemKind("MS-MAP-002", "an anchor, alias, tag or repeated key", "plain YAML", "Write the value out."),
    ProblemKind("MS-MAP-003", "a mapping file that is too large", "at most 256 KiB", "Shorten the value maps."),
    ProblemKind("MS-MAP-004", "an unknown section", "merchants, transactions; columns, constants, values, ignore",
                "Rename or remove the section."),
    ProblemKind("MS-MAP-005", "an unknown field", "a field of the data dictionary", "Correct the field's name."),
    ProblemKind("MS-MAP-006", "an entry of the wrong shape", "the shape docs/data-dictionary.md shows",
                "Put text in quotes; write lists with dashes."),
    ProblemKind("MS-MAP-007", "a field that is filled twice", "a column or a constant, not both",
                "Remove one of the two."),
    ProblemKind("MS-MAP-008", "a column that is used twice", "every foreign column in one place",
                "Remove one of the two."),
    # --- the index ---------------------------------------------------------------------------
    ProblemKind("MS-IDX-001", "no index in this folder", "a folder that `merchantscreen index` has made",
                "Check the path, make the index first, or leave --index out: the result is the same."),
    ProblemKind("MS-IDX-002", "a folder that holds something else", "a new or empty folder, or an index",
                "Name another folder for the index."),
    ProblemKind("MS-IDX-003", "an index that is being written", "one `merchantscreen index` at a time",
                "Wait until the other one has ended; screens can use the index meanwhile."),
    ProblemKind("MS-IDX-004", "a file of the index that was altered", "the bytes that were written",
                "Delete the folder of this entry and run `merchantscreen index` again; find out who altered it."),
    ProblemKind("MS-IDX-005", "nothing to index", "--transactions, or --check",
                "Name the files that are to be read, or ask for a check of the index."),
    ProblemKind("MS-IDX-006", "no index to look into", "--index, or a workspace with an index",
                "Name the folder that `merchantscreen index` has made."),
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemKind]] = {kind.code: kind for kind in _KINDS}
"""Every problem of the intake, by its code."""

REJECT_ROW_SCHEMA: Final = pl.Schema(
    {"line": pl.Int64(), "column": pl.String(), "code": pl.String(), "found": pl.String(), "expected": pl.String()}
)
"""Rejected rows of one file while it is read; null words mean those of the table above."""


def reject_table(role: Role, file: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Complete rejected rows of one file to tables.Rejects."""
    words = pl.DataFrame(
        [(kind.code, kind.title, kind.expected, kind.fix) for kind in _KINDS],
        schema=["code", "title", "usual", "fix"],
        orient="row",
    )
    return (
        rows.join(words, on="code", how="left", maintain_order="left")
        .select(
            role=pl.lit(role),
            file=pl.lit(file),
            line="line",
            column="column",
            code="code",
            found=pl.coalesce("found", "title"),
            expected=pl.coalesce("expected", "usual"),
            fix="fix",
        )
        .cast(schema_of(Rejects))
    )


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that is most like a mistyped one."""
    wanted = name.strip().lower().replace(" ", "_").replace("-", "_")
    close = difflib.get_close_matches(wanted, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else None
