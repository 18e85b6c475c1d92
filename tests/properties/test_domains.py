"""What holds for every host, found by trying to break it."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from merchantscreen.domains import DomainKey, DomainRefusal, defang, domain_key, registrable_domain
from merchantscreen.intake.hosts import Losses, each_host, host_expression, hosts_of, to_hosts

LABELS = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "example"]))
PIECES = st.sampled_from(
    "http:// https:// HTTPS:// // / \\ ? # @ : :80 . .. %2e - _ 1 0x1 shop Shop example .example xn--bcher-kva "
    "b\u00fccher \u0440 [::1] 1.2.3.4 a/../ ~".split()
)
ADDRESSES = st.one_of(NAMES, st.lists(PIECES, max_size=7).map("".join), st.text(max_size=30), st.just("shop .example"))


@given(ADDRESSES)
def test_the_key_of_a_key_is_itself(text: str) -> None:
    """Reading a host that was read before changes nothing and cuts nothing off."""
    key = domain_key(text)
    if isinstance(key, DomainKey):
        again = domain_key(key.host)
        assert again == DomainKey(key.host, key.registrable, key.label, key.is_ip, key.mixed_script, frozenset())


@given(st.lists(ADDRESSES, max_size=12))
def test_columns_are_read_like_single_values(texts: list[str]) -> None:
    """The fast way through a column and the exact way agree on every value."""
    for value, host, refusal, stripped, _ in hosts_of(pl.Series(texts, dtype=pl.String)).iter_rows():
        key = domain_key(value)
        if isinstance(key, DomainRefusal):
            assert (host, refusal, stripped) == (None, key.reason.value, False)
        else:
            assert (host, refusal, stripped) == (key.host, None, bool(key.stripped))


@given(st.lists(st.none() | ADDRESSES, max_size=12))
def test_a_column_is_read_alike_row_by_row_and_value_by_value(texts: list[str | None]) -> None:
    """Websites and e-mail domains nearly all differ and are read row by row; hosts and losses are the same."""
    column, by_row, by_value = pl.Series("url", texts, dtype=pl.String), Losses(), Losses()
    assert each_host(column, by_row).equals(to_hosts(column, by_value))
    assert by_row == by_value


@given(st.lists(ADDRESSES, max_size=12))
def test_the_expression_reads_what_is_plain_and_nothing_else(texts: list[str]) -> None:
    """Files that are read in place make hosts by the expression alone, but for the values that it leaves out."""
    for value, host, _, _, is_plain in hosts_of(pl.Series(texts, dtype=pl.String)).iter_rows():
        made = pl.select(host_expression(pl.lit(value))).item()
        assert made == (host if is_plain else None)


@given(
    NAMES, st.sampled_from(["", "/", "/a", "/a/./b", "/..", "/.", "?a=1", "?", "#", "/?x", "//", ":443", ":80", "."])
)
def test_plain_addresses_are_read_alike_either_way(name: str, rest: str) -> None:
    """Ordinary addresses, which take the fast way, come out as on the exact one."""
    for text in (name + rest, "https://" + name + rest, "http://" + name + rest):
        key = domain_key(text)
        *row, _ = hosts_of(pl.Series([text])).row(0)
        if isinstance(key, DomainKey):
            assert row == [text, key.host, None, bool(key.stripped)]
        else:
            assert row == [text, None, key.reason.value, False]


@given(NAMES)
def test_every_host_lies_in_its_registrable_domain(name: str) -> None:
    """A registrable domain is the host itself or a parent of it, and is its own."""
    key = domain_key(name)
    if isinstance(key, DomainKey) and key.registrable is not None:
        assert ("." + key.host).endswith("." + key.registrable)
        assert registrable_domain(key.registrable) == key.registrable
        assert key.registrable.startswith(f"{key.label}.")


@given(NAMES)
def test_defanging_twice_is_defanging_once(name: str) -> None:
    """A defanged host stays as it is, and can be told back exactly."""
    assert defang(defang(name)) == defang(name)
    assert defang(name).replace("[.]", ".") == name
    assert "." not in defang(name).replace("[.]", "")
