"""The template engine of our pages, and what a page may load: its own style and script, and nothing else.

Rules kept here:
* every text passes `visible` on its way into a page and is escaped there; a name that a page lacks is an error;
* style and script are ours, admitted by their hashes.

Source: rows 8, 9 and 17 of the threat model.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from merchantscreen.outputs.text import visible

_LONGEST: Final = 4_000


def engine(templates: Mapping[str, str]) -> Environment:
    """Make the template engine: escaping everywhere, strict names, every text made visible.

    Args:
        templates: Package that holds each template, by the template's name.
    """
    return Environment(
        loader=DictLoader({name: asset(package, name) for name, package in templates.items()}),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_made_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _made_visible(value: Any) -> Any:
    """Show characters that act instead of sending them; our own markup and figures pass."""
    return visible(value, _LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value


def admitted(style: str, script: str | None = None) -> Mapping[str, Markup]:
    """Give a page its style and script, which are package data, and the policy that admits them and nothing else."""
    scripts = "" if script is None else f"script-src 'sha256-{_hash(script)}'; "
    policy = f"default-src 'none'; style-src 'sha256-{_hash(style)}'; {scripts}base-uri 'none'; form-action 'none'"
    ours = {"style": style, "content_policy": policy} | ({} if script is None else {"script": script})
    return {name: Markup(text) for name, text in ours.items()}  # noqa: S704 - package data, nothing foreign


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def asset(package: str, name: str) -> str:
    """Read a file that came with a package."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
