"""Invented names, hosts, contacts and tokens: nothing here can belong to anybody.

Rules kept here:
* hosts end in .example, .test or .invalid (RFC 2606 and RFC 6761) and never resolve;
* telephone numbers begin with +999, a country code the ITU has not assigned;
* tokens are letters, and no text holds 13 digits or more, so nothing can be taken for a card number;
* each name is a function of the account's number, and no two accounts share one by accident.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from merchantscreen.simulation.draws import scramble

FREE_HOST: Final = "freehost.example"
"""A host where anyone gets a shop at his own subdomain."""
PAYMENT_PAGE: Final = "paypage.example"
"""A payment page that many unrelated shops send their customers to."""
FREE_MAIL: Final = "mail.example"
"""A mail provider for everybody."""

_FIRST: Final = tuple(
    """Amber Alder Ash Aspen Autumn Birch Blue Bright Bronze Calm Cedar Chalk Clear Clover Cobalt Copper
    Coral Crimson Daisy Dapple Dawn Elm Ember Fern Flint Garnet Ginger Golden Granite Green Hazel Heather
    Honey Indigo Iris Ivory Ivy Jade Juniper Larch Lilac Linden Maple Mellow Misty Mossy Olive Opal
    Orchid Pearl Pebble Pine Plum Quartz Rowan Russet Saffron Sage Silver Slate""".split()
)
_SECOND: Final = tuple(
    """Lamps Kettles Books Boots Bottles Bowls Brushes Buttons Candles Carpets Chairs Clocks Coats Cups
    Curtains Desks Drums Easels Fabrics Flutes Frames Games Gardens Gloves Guitars Hats Jackets Jars
    Kayaks Kites Knives Ladders Lanterns Leathers Maps Mirrors Mugs Needles Ovens Paints Papers Pens
    Pianos Pillows Plates Pots Puzzles Quilts Radios Ribbons Rugs Saddles Scarves Seeds Shelves Skates
    Soaps Spices Stoves Tables Teas Tents Tools Towels Toys Trays Vases""".split()
)
_THIRD: Final = tuple(
    """Atelier Barn Bazaar Bench Corner Counter Depot Direct Emporium Gallery House Loft Market Mill
    Parade Quay Room Shop Studio Supply Trading Warehouse Works""".split()
)
_FLAGGED_FIRST: Final = tuple(
    """quiet distant hidden narrow hollow northern faded silent winding broken early evening frosted
    grey lonely outer paper remote shaded sunken twilight upper wandering western""".split()
)
_FLAGGED_SECOND: Final = tuple(
    """arch bay bridge canal cove creek dune ferry field ford gate glen grove harbour hill inlet island
    lane ledge meadow orchard pass path pier plain ridge river shore""".split()
)
_FORMS: Final = ("Ltd", "GmbH", "BV", "LLC", "Sarl", "AB", "Oy", "Inc")
_STREETS: Final = (
    "Harbour Road",
    "Mill Lane",
    "Station Street",
    "Orchard Way",
    "Market Square",
    "Canal Row",
    "Hill Rise",
)
_TOWNS: Final = (
    "Northford",
    "Eastmere",
    "Lakehaven",
    "Westbrook",
    "Stonebridge",
    "Fairhollow",
    "Greenwick",
    "Oldbury Vale",
)
_ZONES: Final = ("example", "example", "example", "example", "test", "test", "invalid")

_COMBINATIONS: Final = len(_FIRST) * len(_SECOND) * len(_THIRD)
_STRIDE: Final = 35_317
"""Coprime to the number of combinations, so that neighbours in the table are no neighbours in name."""
_FLAGGED_COMBINATIONS: Final = len(_FLAGGED_FIRST) * len(_FLAGGED_SECOND)
_FLAGGED_STRIDE: Final = 269
_CONSONANTS: Final = "bcdfghjkmnpqrstv"
_SYLLABLES: Final = pl.Series([a + b + c for a in _CONSONANTS for b in _CONSONANTS for c in _CONSONANTS])
"""Three letters each and no vowel, so that a token never spells a word."""
_SYLLABLE_BITS: Final = 12
_BLOCK: Final = 1_024
_TOKEN_MULTIPLIERS: Final[dict[str, int]] = {
    "acct": 0x2_545F_4915,
    "tax": 0x1_B873_5935,
    "own": 0x0_CC9E_2D51,
    "ua": 0x1_8DB5_8F27,
    "ip": 0x0_A137_5BC3,
}

Numbers = NDArray[np.int64]


def words_of(numbers: Numbers) -> pl.DataFrame:
    """Return the words of each account's name: first, second, third, and a numeral for the later rounds."""
    place = (numbers * _STRIDE + 1) % _COMBINATIONS
    rounds = numbers // _COMBINATIONS
    return pl.DataFrame(
        {
            "first": pl.Series(_FIRST).gather(place % len(_FIRST)),
            "second": pl.Series(_SECOND).gather(place // len(_FIRST) % len(_SECOND)),
            "third": pl.Series(_THIRD).gather(place // (len(_FIRST) * len(_SECOND))),
            "numeral": pl.Series([""]).extend(_numerals(int(rounds.max(initial=0)))).gather(rounds),
        }
    )


def trading_names(numbers: Numbers) -> pl.Series:
    """Return trading names such as `Amber Lamps Studio`."""
    return _joined(numbers, pl.concat_str("first", "second", "third", separator=" ") + pl.col("numeral"))


def legal_names(numbers: Numbers, forms: Numbers) -> pl.Series:
    """Return legal names; some hold a comma, as real ones do."""
    legal = pl.Series([f", {form}" if place == 0 else f" {form}" for place, form in enumerate(_FORMS)])
    return trading_names(numbers) + legal.gather(forms % len(_FORMS))


def shop_hosts(numbers: Numbers) -> pl.Series:
    """Return each shop's own host, such as `amber-lamps-studio.example`."""
    label = pl.concat_str("first", "second", "third", separator="-").str.to_lowercase() + pl.col("numeral")
    return _joined(numbers, label.str.replace(" ", "-")) + "." + pl.Series(_ZONES).gather(numbers % len(_ZONES))


def descriptors(numbers: Numbers) -> pl.Series:
    """Return what the cardholder reads: mostly the name, now and then the host."""
    words = pl.concat_str("first", "second", separator=" ") + pl.col("numeral") + "*" + pl.col("third")
    names = _joined(numbers, words).str.to_uppercase()
    hosts = shop_hosts(numbers).str.to_uppercase()
    return names.zip_with(pl.Series(numbers % 23 != 0), hosts)


def phones(numbers: Numbers) -> pl.Series:
    """Return telephone numbers under the unassigned country code +999."""
    digits = pl.Series(scramble(numbers + 3, 0x9E_3779B1, 26)).cast(pl.String).str.zfill(8)
    return "+999 " + digits.str.slice(0, 4) + " " + digits.str.slice(4)


def addresses(numbers: Numbers) -> pl.Series:
    """Return postal addresses; a few firms share a house by chance, as in life."""
    place = scramble(numbers, 0x5_1A7C_35D1, 34)
    house = pl.Series(1 + (place >> 8) % 9_000).cast(pl.String)
    street = pl.Series(_STREETS).gather((place >> 4) % len(_STREETS))
    town = pl.Series(_TOWNS).gather((place >> 22) % len(_TOWNS))
    return house + " " + street + " " + town


def acceptor_ids(numbers: Numbers) -> pl.Series:
    """Return card acceptor ids: text with leading zeros, short of what a card number needs."""
    return pl.Series(scramble(numbers + 3, 0x2_7D4E_B2F1, 26)).cast(pl.String).str.zfill(10)


def terminals(numbers: Numbers) -> pl.Series:
    """Return terminal ids of eight characters."""
    return pl.Series(scramble(numbers + 3, 0x1_65667B1, 26)).cast(pl.String).str.zfill(8)


def tokens(prefix: str, numbers: Numbers) -> pl.Series:
    """Return opaque tokens, letters only, one to one with the numbers below 2^36."""
    code = scramble(numbers + 3, _TOKEN_MULTIPLIERS[prefix], 3 * _SYLLABLE_BITS)
    mask = (1 << _SYLLABLE_BITS) - 1
    parts = [_SYLLABLES.gather((code >> shift) & mask) for shift in (2 * _SYLLABLE_BITS, _SYLLABLE_BITS, 0)]
    return f"{prefix}-" + parts[0] + parts[1] + parts[2]


def one(make: Callable[[Numbers], pl.Series], number: int) -> str:
    """Return the name of a single account from one of the functions above, computed for its block at once."""
    return _block(make, number // _BLOCK)[number % _BLOCK]


@lru_cache(maxsize=8)
def _block(make: Callable[[Numbers], pl.Series], block: int) -> list[str]:
    return make(np.arange(block * _BLOCK, (block + 1) * _BLOCK)).to_list()


def flagged_label(number: int) -> str:
    """Return the name of a referred site, of words that no shop's name is made of."""
    place = (number * _FLAGGED_STRIDE + 5) % _FLAGGED_COMBINATIONS
    words = f"{_FLAGGED_FIRST[place % len(_FLAGGED_FIRST)]}-{_FLAGGED_SECOND[place // len(_FLAGGED_FIRST)]}"
    later = number // _FLAGGED_COMBINATIONS
    return f"{words}-{later + 1}" if later else words


def _joined(numbers: Numbers, expression: pl.Expr) -> pl.Series:
    return words_of(numbers).select(expression).to_series()


def _numerals(rounds: int) -> pl.Series:
    return pl.Series([f" {number + 1}" for number in range(1, rounds + 1)], dtype=pl.String)
