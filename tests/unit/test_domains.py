"""Hosts and their keys: one table of addresses, and what is read from each."""

from __future__ import annotations

import polars as pl
import pytest
from unit.referral_examples import a_platform

from merchantscreen.domains import (
    DomainKey,
    DomainRefusal,
    Refusal,
    defang,
    domain_key,
    registrable_domain,
    suffix_list_date,
)
from merchantscreen.intake.hosts import hosts_of

HOSTS = [
    # text, host, what was cut off
    ("shop.example", "shop.example", ""),
    ("  shop.example\t", "shop.example", ""),
    ("SHOP.Example", "shop.example", ""),
    ("shop.example.", "shop.example", "trailing_dot"),
    ("https://shop.example", "shop.example", ""),
    ("HTTPS://Shop.Example/", "shop.example", ""),
    ("//shop.example", "shop.example", ""),
    ("shop.example:8443", "shop.example", "port"),
    ("https://shop.example:443", "shop.example", ""),
    ("https://shop.example/checkout", "shop.example", "path"),
    ("shop.example/checkout", "shop.example", "path"),
    ("https://shop.example?basket=1", "shop.example", "query"),
    ("https://shop.example#top", "shop.example", "fragment"),
    ("https://user:secret@shop.example", "shop.example", "credentials"),
    ("https://u@shop.example:81/a?b#c", "shop.example", "credentials port path query fragment"),
    ("https:\\\\shop.example\\basket", "shop.example", "path"),
    ("https://shop%2Eexample", "shop.example", ""),
    ("shop\u3002example", "shop.example", ""),
    ("\uff53\uff48\uff4f\uff50.example", "shop.example", ""),
    ("b\u00fccher.example", "xn--bcher-kva.example", ""),
    ("B\u00dcCHER.example", "xn--bcher-kva.example", ""),
    ("xn--bcher-kva.example", "xn--bcher-kva.example", ""),
    ("fa\u00df.example", "xn--fa-hia.example", ""),
    ("a--b.example", "a--b.example", ""),
    ("1.2.3.4", "1.2.3.4", ""),
    ("1.2.3.4.", "1.2.3.4", ""),
    ("http://0x7f.1", "127.0.0.1", ""),
    ("http://2130706433/", "127.0.0.1", ""),
    ("[2001:DB8::1]", "[2001:db8::1]", ""),
    ("http://[2001:db8:0:0:0:0:0:1]:8080/", "[2001:db8::1]", "port"),
]  # fmt: skip

REFUSED = [
    ("", Refusal.EMPTY),
    (" \t ", Refusal.EMPTY),
    ("x" * 2049, Refusal.TOO_LONG),
    (".".join(["a" * 60] * 5) + ".example", Refusal.TOO_LONG),
    ("amber shop.example", Refusal.UNSEEN_CHARACTER),
    ("amber\tshop.example", Refusal.UNSEEN_CHARACTER),
    ("shop.example\n", Refusal.UNSEEN_CHARACTER),
    ("shop.example\x00", Refusal.UNSEEN_CHARACTER),
    ("am\u200bber.example", Refusal.UNSEEN_CHARACTER),
    ("am\u00adber.example", Refusal.UNSEEN_CHARACTER),
    ("\u202eelpmaxe.pohs", Refusal.UNSEEN_CHARACTER),
    ("\ud800.example", Refusal.UNSEEN_CHARACTER),
    ("ftp://shop.example", Refusal.NOT_A_WEB_ADDRESS),
    ("shop.example://", Refusal.NOT_A_WEB_ADDRESS),
    ("mailto:sales@shop.example", Refusal.NOT_A_HOST),
    ("sales@shop.example", Refusal.NOT_A_HOST),
    ("/checkout.html", Refusal.NOT_A_HOST),
    ("?shop.example", Refusal.NOT_A_HOST),
    ("https://", Refusal.NOT_A_HOST),
    ("shop.example:99999", Refusal.NOT_A_HOST),
    ("xn--a.example", Refusal.NOT_A_HOST),
    ("256.1.1.1", Refusal.NOT_A_HOST),
    ("1.2.3.4.5", Refusal.NOT_A_HOST),
    ("[2001:db8::1", Refusal.NOT_A_HOST),
    ("shop.example<b>", Refusal.NOT_A_HOST),
    ("amber_shop.example", Refusal.BAD_LABEL),
    ("-shop.example", Refusal.BAD_LABEL),
    ("shop-.example", Refusal.BAD_LABEL),
    ("shop..example", Refusal.BAD_LABEL),
    ("shop.example..", Refusal.BAD_LABEL),
    ("a" * 64 + ".example", Refusal.BAD_LABEL),
    ("a*b.example", Refusal.BAD_LABEL),
    ("none", Refusal.NO_DOT),
    ("n/a", Refusal.NO_DOT),
    ("1", Refusal.NO_DOT),
    ("http://localhost", Refusal.NO_DOT),
]  # fmt: skip


def key_of(text: str) -> DomainKey:
    """Return the key of a text that has one."""
    key = domain_key(text)
    assert isinstance(key, DomainKey)
    return key


@pytest.mark.parametrize(("text", "host", "stripped"), HOSTS)
def test_a_url_or_host_is_read_as_a_browser_reads_it(text: str, host: str, stripped: str) -> None:
    """Every spelling of a host comes to one name, and what was cut off is said."""
    assert (key_of(text).host, key_of(text).stripped) == (host, frozenset(stripped.split()))


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_host_is_refused_with_a_reason(text: str, reason: Refusal) -> None:
    """Text that is no host gets its own reason and an explanation."""
    refusal = domain_key(text)
    assert isinstance(refusal, DomainRefusal)
    assert refusal.reason is reason
    assert refusal.explanation


@pytest.mark.parametrize(("text", "reason"), [row for row in REFUSED if len(row[0].strip()) > 3])
def test_an_explanation_never_repeats_the_value(text: str, reason: Refusal) -> None:
    """Nothing of a refused value appears in the explanation."""
    refusal = domain_key(text)
    assert isinstance(refusal, DomainRefusal), reason
    assert text.strip() not in refusal.explanation


def test_an_ip_address_has_no_registrable_domain() -> None:
    """An IP address is recognised before the suffix list, which would read 3.4 from 1.2.3.4."""
    for address in ("1.2.3.4", "[2001:db8::1]"):
        key = key_of(address)
        assert (key.is_ip, key.registrable, key.label) == (True, None, None)
        assert registrable_domain(address) is None


def test_subdomains_share_their_registrable_domain() -> None:
    """All hosts of a site lead to the same registrable domain and label."""
    for host in ("amber-shop.example", "www.amber-shop.example", "a.b.amber-shop.example"):
        assert (key_of(host).registrable, key_of(host).label) == ("amber-shop.example", "amber-shop")


def test_tenants_of_a_private_suffix_are_sites_of_their_own() -> None:
    """Two tenants of a platform in the private section have different registrable domains."""
    platform = a_platform()
    assert registrable_domain(f"amber.{platform}") == f"amber.{platform}"
    assert registrable_domain(f"www.birch.{platform}") == f"birch.{platform}"
    key = key_of(platform)
    assert (key.host, key.registrable, key.label) == (platform, None, None)


@pytest.mark.parametrize(
    ("host", "mixed"),
    [
        ("\u0430mber.example", True),
        ("sh\u03bfp.example", True),
        ("\u0448\u043e\u043f.example", False),
        ("shop.\u0448\u043e\u043f.example", False),
        ("b\u00fccher.example", False),
        ("\u65e5\u672c\u30ab\u30bf\u3072\u3089-shop.example", False),
        ("\u65e5\u672c\u0448.example", True),
        ("shop.example", False),
    ],
)
def test_scripts_mixed_in_a_label_are_flagged(host: str, *, mixed: bool) -> None:
    """Latin with Cyrillic or Greek in one label is flagged; scripts that are written together are not."""
    assert key_of(host).mixed_script is mixed


def test_a_lookalike_is_another_name() -> None:
    """A name that only looks like another never has its key."""
    assert key_of("\u0430mber.example").host != key_of("amber.example").host


def test_a_column_is_reduced_once_per_distinct_value() -> None:
    """A column gives one row per distinct value, with host or refusal."""
    column = pl.Series(["https://shop.example/a", None, "none", "Shop.example", "none", "1.2.3.4"])
    assert sorted(hosts_of(column).drop("is_plain").rows()) == [
        ("1.2.3.4", "1.2.3.4", None, False),
        ("Shop.example", "shop.example", None, False),
        ("https://shop.example/a", "shop.example", None, True),
        ("none", None, "no_dot", False),
    ]


def test_an_empty_column_gives_an_empty_frame() -> None:
    """A column without values has no hosts and keeps its types."""
    frame = hosts_of(pl.Series([None], dtype=pl.String))
    texts = dict.fromkeys(("value", "host", "refusal"), pl.String)
    assert frame.schema == texts | dict.fromkeys(("stripped", "is_plain"), pl.Boolean)
    assert frame.is_empty()


@pytest.mark.parametrize(("text", "_host", "_stripped"), HOSTS)
def test_columns_and_single_values_agree_on_the_table(text: str, _host: str, _stripped: str) -> None:
    """The way through a column reads every address of the table like the exact way."""
    key = key_of(text)
    assert hosts_of(pl.Series([text])).drop("is_plain").rows() == [(text, key.host, None, bool(key.stripped))]


def test_defanged_hosts_are_no_links() -> None:
    """A defanged host has no bare dot or colon left."""
    assert defang("www.shop.example") == "www[.]shop[.]example"
    assert ":" not in defang("[2001:db8::1]").replace("[:]", "")


def test_the_suffix_list_has_a_version() -> None:
    """The manifest can name the list in use."""
    assert suffix_list_date()[:2] == "20"
