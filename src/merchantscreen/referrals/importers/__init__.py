"""Referral files in the forms of others: bytes in, submitted events out, and everything that was refused or left out.

Each form has one module and one row in `FORMATS`. No form confirms by itself; see `model` for what all of
them keep to. Signed statements are no import: they come in through the envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from merchantscreen.referrals.importers import strictjson
from merchantscreen.referrals.importers.csvmap import load_mapping, read_csv
from merchantscreen.referrals.importers.model import (
    EXPLANATIONS,
    MAX_BYTES,
    Imported,
    Importer,
    Note,
    NoteKind,
    Options,
)
from merchantscreen.referrals.importers.stix import read_stix
from merchantscreen.referrals.importers.xarf import read_xarf


@dataclass(frozen=True, slots=True)
class Format:
    """A form that is read: its name, a title for people, and the importer."""

    name: str
    title: str
    read: Importer


_FORMATS: Final = (
    Format("csv", "CSV with a mapping of columns and values", read_csv),
    Format("stix", "STIX 2.1 indicators about domain names", read_stix),
    Format("xarf", "XARF version 4 reports that refer sites", read_xarf),
)
FORMATS: Final[Mapping[str, Format]] = MappingProxyType({row.name: row for row in _FORMATS})


def import_referrals(form: str, data: bytes, file: str, options: Options) -> Imported:
    """Read a foreign referral file.

    Args:
        form: A name of `FORMATS`; it is said and never guessed, because a guess decides what is refused.
        data: The whole file, at most 16 MiB.
        file: Its name without its folder, for messages.
        options: What the caller says about it.

    Raises:
        InputError: The form is not known, or the file is refused as a whole.
    """
    if form not in FORMATS:
        raise strictjson.refuse(file, "MS-IMP-002")
    return FORMATS[form].read(data, file, options)


__all__ = [
    "EXPLANATIONS",
    "FORMATS",
    "MAX_BYTES",
    "Format",
    "Imported",
    "Importer",
    "Note",
    "NoteKind",
    "Options",
    "import_referrals",
    "load_mapping",
]
