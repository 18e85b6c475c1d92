"""Contact data in whole columns: the forms, tokens and keys are those that single values and the library give."""

from __future__ import annotations

import hashlib
import hmac

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naughty import NAUGHTY

from merchantscreen.intake.pseudonyms import CONTACT_KINDS, ContactKind, derive_key, normalised, tokens

ASCII = "".join(map(chr, range(128)))
_hostile = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.text(alphabet="+0012 (-)\x1c\x1f\t_Az.@ß²①İ\u00a0", max_size=20)
    | st.sampled_from(NAUGHTY)
)
_columns = st.lists(st.none() | _hostile, max_size=6)
_kinds = st.sampled_from(CONTACT_KINDS)


@settings(deadline=None)
@given(_kinds, _columns)
@example(CONTACT_KINDS[0], [f"{sign}x{sign}" for sign in ASCII])
@example(CONTACT_KINDS[1], [f"{sign}{start}12" for sign in ASCII for start in ("+", "00", "0", "")])
@example(CONTACT_KINDS[2], [f"A{sign}b{sign}" for sign in ASCII])
def test_a_column_is_folded_as_its_values_are(kind: ContactKind, texts: list[str | None]) -> None:
    """Plain ASCII goes by expression, all else by function; both end in the same form, null where nothing is left."""
    folded = normalised(pl.Series(texts, dtype=pl.String), kind).to_list()
    assert folded == [None if text is None else kind.normalise(text) or None for text in texts]


@given(st.binary(max_size=200), _kinds, _hostile)
def test_a_token_is_hmac_sha256_of_its_kind_and_value(key: bytes, kind: ContactKind, value: str) -> None:
    """The states that are primed once give what the library gives, for keys shorter and longer than a block."""
    digest = hmac.digest(key, f"{kind.prefix}{value}".encode(), "sha256").hex()
    assert tokens(key, kind, pl.Series([value])).to_list() == [kind.prefix + digest[:32]]


@pytest.mark.parametrize("kind", CONTACT_KINDS, ids=lambda kind: kind.name)
def test_equal_values_have_equal_tokens_and_nothing_has_none(kind: ContactKind) -> None:
    """Repeated values and nulls keep their places."""
    first, second, null, third = tokens(b"key", kind, pl.Series(["a", "b", None, "a"]))
    assert (first == third, first == second, null) == (True, False, None)


@settings(deadline=None)
@given(_columns.flatmap(lambda texts: st.permutations([*texts, *texts])))
@example(["z" * 70_000, "y" * 128, "x" * 127])
def test_a_key_follows_from_the_values_whatever_their_order(texts: list[str | None]) -> None:
    """Values count once, in the order of their bytes, each behind its length: the definition, written as a loop."""
    sha256 = hashlib.sha256(b"merchantscreen pseudonym key 1\n")
    for kind in CONTACT_KINDS:
        sha256.update(kind.prefix.encode())
        for data in sorted({text.encode() for text in texts if text is not None}):
            sha256.update(len(data).to_bytes(8, "big") + data)
    assert derive_key((kind, pl.Series(texts, dtype=pl.String)) for kind in CONTACT_KINDS) == sha256.digest()
