"""The Big List of Naughty Strings, for whatever shows or writes foreign text (`tests/data/naughty_strings`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

NAUGHTY: Final[tuple[str, ...]] = tuple(
    json.loads((Path(__file__).parent / "data/naughty_strings/blns.json").read_text(encoding="ascii"))
)
"""464 strings in the order of the list; the first is empty, and four stand in it twice."""
