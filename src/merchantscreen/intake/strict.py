"""One CSV record that is one line, split exactly as RFC 4180 says: the oracle of the fast path.

Rules kept here:
* a field is either free of quotes, or wholly inside quotes with inner quotes doubled;
* nothing is trimmed, guessed or repaired; what does not fit is refused with its reason;
* a record ends with its line, so a quote left open can never swallow the lines after it.

Counting the fields against the header and finding the lines is left to `lines`.
"""

from __future__ import annotations

from typing import Final

STRAY_QUOTE: Final = "MS-CSV-016"
TEXT_AFTER_QUOTE: Final = "MS-CSV-017"
OPEN_QUOTE: Final = "MS-CSV-018"


class RecordError(ValueError):
    """A line that is no record; `code` is the reason, a key of `problems.PROBLEMS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def split_record(line: str) -> list[str]:
    """Split one line, given without its line break, into its fields.

    Raises:
        RecordError: The line breaks a rule of RFC 4180.
    """
    fields: list[str] = []
    position = 0
    while True:
        field, position = _quoted(line, position) if line.startswith('"', position) else _plain(line, position)
        fields.append(field)
        if position == len(line):
            return fields
        position += 1


def _plain(line: str, start: int) -> tuple[str, int]:
    """Read a field without quotes; return it and the place of the comma after it."""
    end = line.find(",", start)
    end = len(line) if end < 0 else end
    if '"' in line[start:end]:
        raise RecordError(STRAY_QUOTE)
    return line[start:end], end


def _quoted(line: str, start: int) -> tuple[str, int]:
    """Read a field in quotes; return it unquoted and the place of the comma after it."""
    parts: list[str] = []
    position = start + 1
    while True:
        quote = line.find('"', position)
        if quote < 0:
            raise RecordError(OPEN_QUOTE)
        parts.append(line[position:quote])
        if not line.startswith('"', quote + 1):
            break
        parts.append('"')
        position = quote + 2
    end = quote + 1
    if end < len(line) and line[end] != ",":
        raise RecordError(TEXT_AFTER_QUOTE)
    return "".join(parts), end
