"""LibreOffice without a screen: opens a file as a person would, and tells what its cells became."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT: Final = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_XLINK: Final = "{http://www.w3.org/1999/xlink}"
_SECONDS: Final = 300


@dataclass(frozen=True)
class Opened:
    """A file as the spreadsheet took it.

    Attributes:
        sheets: Text of the cells by sheet, row by row, trailing empty cells left out.
        formulas: Every formula there is.
        links: Every link there is.
    """

    sheets: dict[str, list[list[str]]]
    formulas: list[str]
    links: list[str]


def office() -> str:
    """Return the program, or skip; where every test has to run (CI), its absence is a failure."""
    found = shutil.which("soffice")
    if found is not None:
        return found
    said = "LibreOffice Calc is not installed (Debian: libreoffice-calc)"
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)


def opened(files: list[Path], work: Path, options: str = "") -> dict[str, Opened]:
    """Open files in one start of the program and read what it saves.

    Args:
        files: CSV or XLSX files with different names.
        work: Folder for the profile and the results.
        options: Options of the import filter, such as those of a person who splits at semicolons too.
    """
    out, profile = work / "out", work / "profile"
    command = [office(), "--headless", "--norestore", f"-env:UserInstallation=file://{profile}",
               *([f"--infilter={options}"] if options else []),
               "--convert-to", "fods", "--outdir", str(out), *map(str, files)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
    return {file.name: _read(out / f"{file.stem}.fods") for file in files}


def _read(path: Path) -> Opened:
    root = ET.parse(path).getroot()
    sheets = {str(table.get(f"{_TABLE}name")): list(_rows(table)) for table in root.iter(f"{_TABLE}table")}
    formulas = [str(found) for cell in root.iter() if (found := cell.get(f"{_TABLE}formula")) is not None]
    body = next(root.iter(f"{_OFFICE}body"))
    links = [str(found) for element in body.iter() if (found := element.get(f"{_XLINK}href")) is not None]
    return Opened(sheets, formulas, links)


def _rows(table: ET.Element) -> Iterator[list[str]]:
    for row in table.iter(f"{_TABLE}table-row"):
        cells: list[str] = []
        for cell in row:
            repeated = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
            cells += [_content(cell)] * min(repeated, 200)
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield cells


def _content(cell: ET.Element) -> str:
    """Return the text of a cell; paragraphs are its lines."""
    return "\n".join("".join(_pieces(paragraph)) for paragraph in cell.findall(f"{_TEXT}p"))


def _pieces(element: ET.Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == f"{_TEXT}s":
            yield " " * int(child.get(f"{_TEXT}c", "1"))
        elif child.tag == f"{_TEXT}tab":
            yield "\t"
        elif child.tag == f"{_TEXT}line-break":
            yield "\n"
        else:
            yield from _pieces(child)
        yield child.tail or ""
