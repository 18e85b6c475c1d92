"""The table of identifiers, the account key, and normalisers that exist as function and as expression."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.identifiers import (
    BY_NAME,
    DOMAIN_LINK_KINDS,
    KEY_COLUMNS,
    KINDS,
    account_id,
    account_id_expression,
    descriptor_expression,
    identifier_kinds,
    kinds_of,
    normalise_address,
    normalise_descriptor,
    normalise_email,
    normalise_phone,
)
from merchantscreen.intake.transactions import descriptors_of
from merchantscreen.policy.loading import load_policy
from merchantscreen.tables import ID_PATTERN, Transactions, schema_of
from merchantscreen.vocabulary import DomainLinkKind, EvidenceFamily, SetBy, Specificity

# Ids of the schema, and often the characters that separate the parts of a key.
ids = st.one_of(
    st.text(alphabet="%/:25FA", min_size=1, max_size=5), st.from_regex(re.compile(ID_PATTERN), fullmatch=True)
)
keys = st.fixed_dictionaries(
    {
        "network": st.none() | ids,
        "acquirer_id": ids,
        "card_acceptor_id": ids,
        "payment_facilitator_id": st.none() | ids,
        "sub_merchant_id": st.none() | ids,
    }
)


# --------------------------------------------------------------------------- the account key


@given(keys, keys)
def test_different_keys_are_different_texts(one: dict[str, str | None], other: dict[str, str | None]) -> None:
    """No two accounts share a text, whatever separators their ids contain."""
    assert (account_id(**one) == account_id(**other)) == (one == other)


@given(keys, st.sampled_from(KEY_COLUMNS), ids)
def test_changing_one_part_changes_the_text(key: dict[str, str | None], column: str, value: str) -> None:
    """Also where keys differ in a single part."""
    changed = {**key, column: value}
    assert (account_id(**changed) == account_id(**key)) == (changed == key)


@given(st.lists(keys, min_size=1, max_size=5))
def test_the_expression_writes_the_same_key_as_the_function(rows: list[dict[str, str | None]]) -> None:
    """A whole column of keys, nulls included."""
    table = pl.DataFrame(rows, schema=dict.fromkeys(KEY_COLUMNS, pl.String))
    assert table.select(account_id_expression(table.columns)).to_series().to_list() == [
        account_id(**row) for row in rows
    ]


def test_columns_that_a_file_does_not_have_are_left_out_of_the_key() -> None:
    """Without network, facilitator and sub-merchant the key is acquirer and acceptor."""
    table = pl.DataFrame({"acquirer_id": ["4000/1"], "card_acceptor_id": ["M:1"]})
    assert table.select(account_id_expression(table.columns)).item() == "4000%2F1/M%3A1"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "400001/M1"),
        ({"network": "net-a"}, "net-a:400001/M1"),
        ({"payment_facilitator_id": "PF1"}, "400001/M1/PF1"),
        ({"payment_facilitator_id": "PF1", "sub_merchant_id": "S1"}, "400001/M1/PF1/S1"),
        ({"sub_merchant_id": "S1"}, "400001/M1//S1"),
    ],
)
def test_keys_read_as_documented(more: dict[str, str], text: str) -> None:
    """Network first, then acquirer, acceptor, facilitator, sub-merchant; what is absent at the end is left out."""
    assert account_id("400001", "M1", **more) == text


# --------------------------------------------------------------------------- normalisers


# Letters that Unicode knew long ago: of newer ones, Python and Polars may know different capitals.
descriptors = st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=30) | st.text(
    alphabet="ab1234567 \t*.ßﬁıŉ²½Ａ①й", max_size=30
)


@given(st.lists(descriptors, min_size=1, max_size=8))
def test_descriptors_fold_the_same_one_by_one_and_as_a_column(texts: list[str]) -> None:
    """The intake, which folds plain ASCII by an expression, and the function of the referrals meet in the same text."""
    named = descriptors_of(pl.Series(texts, dtype=pl.String).unique())
    assert dict(named.select("raw", "name").iter_rows()) == {text: normalise_descriptor(text) or None for text in texts}
    plain = pl.DataFrame({"text": [text for text in texts if text.isascii()]}, schema={"text": pl.String})
    folded = plain.select(descriptor_expression(pl.col("text"))).to_series().to_list()
    assert folded == [normalise_descriptor(text) for text in plain["text"]]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Amber  Lamps\t Brussels", "AMBER LAMPS BRUSSELS"),
        ("AMBER 0800123456 BE", "AMBER BE"),
        ("AMBER*12345", "AMBER*12345"),
        ("  ", ""),
    ],
)
def test_descriptors_lose_case_blanks_and_long_numbers(text: str, folded: str) -> None:
    """Phone and order numbers differ from payment to payment; five digits and fewer stay."""
    assert normalise_descriptor(text) == folded


def test_contact_data_are_folded_for_equality() -> None:
    """Spelling that means nothing does not keep two accounts apart."""
    assert normalise_email(" Shop@Amber.Example ") == "shop@amber.example"
    assert normalise_phone("+32 (2) 555-01 00") == normalise_phone("0032 2 555 0100") == "+3225550100"
    assert normalise_phone("02 555 01 00") == "025550100"
    assert normalise_address("1, Rue Haute\n1000  BRUXELLES") == "1 rue haute 1000 bruxelles"


# --------------------------------------------------------------------------- the table


def test_every_kind_is_named_once_and_found_by_its_name() -> None:
    """Names are keys."""
    assert len(BY_NAME) == len(KINDS)
    assert all(BY_NAME[kind.name] is kind for kind in KINDS)
    assert len({kind.title for kind in KINDS}) == len(KINDS)


def test_the_policy_has_numbers_for_every_kind_and_for_no_other() -> None:
    """rules/evidence.yml names exactly the rows of the table."""
    assert set(load_policy(None).evidence.kinds) == set(BY_NAME)


def test_specificity_belongs_to_identifiers_and_only_to_them() -> None:
    """A link singles out a domain, an identifier a business; rule hits are no rows of the table."""
    for kind in KINDS:
        assert (kind.specificity is not None) == (kind.family is EvidenceFamily.IDENTIFIER)
        assert kind.family is not EvidenceFamily.TYPOLOGY
    by_class = [name for specificity in Specificity for name in kinds_of(specificity)]
    identifiers = [
        kind.name for source in ("merchants", "transactions", "referrals") for kind in identifier_kinds(source)
    ]
    assert sorted(by_class) == sorted(identifiers)


def test_identifiers_of_transactions_are_columns_of_transactions() -> None:
    """The cut reads them by these names."""
    assert {kind.column for kind in identifier_kinds("transactions")} <= set(schema_of(Transactions))


def test_what_makes_accounts_one_business_cannot_be_set_by_just_anyone() -> None:
    """Hard identifiers are those the acquirer checked; what anyone can set is never hard."""
    assert {BY_NAME[name].set_by for name in kinds_of(Specificity.HARD)} == {SetBy.ACQUIRER}
    anyone = {kind.name for kind in KINDS if kind.set_by is SetBy.ANYONE}
    assert {"phone", "email", "address", "website", "descriptor", "clue_descriptor", "clue_amount"} <= anyone


def test_domain_links_are_those_of_the_vocabulary() -> None:
    """What a hotline may say of two domains has a row, and comes from referrals."""
    assert {kind.value for kind in DomainLinkKind} == DOMAIN_LINK_KINDS
    assert {BY_NAME[name].source for name in DOMAIN_LINK_KINDS} == {"referrals"}


def test_every_kind_names_an_innocent_explanation() -> None:
    """A reviewer is told what to rule out, in a sentence."""
    assert all(kind.innocent.endswith(".") and len(kind.innocent) > 20 for kind in KINDS)
