"""Addresses: what each means, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest

from unrolled.errors import AddressError
from unrolled.inspection import Place, find

ONE = {Place("rnn", 0): ["i", "c", "h"], Place("rnn", 1): ["i", "c", "h"]}
TWO = {Place("encoder", 0): ["h"], Place("encoder", 0, is_reverse=True): ["h"], Place("decoder.cell", 0): ["h", "n"]}
BARE = {Place("", 0): ["h", "h@0"]}


@pytest.mark.parametrize(
    ("address", "known", "found"),
    [
        ("rnn.layer0.c", ONE, ["rnn.layer0.c"]),
        ("layer1.c", ONE, ["rnn.layer1.c"]),
        ("layer?.c", ONE, ["rnn.layer0.c", "rnn.layer1.c"]),
        ("*.h", TWO, ["encoder.layer0.h", "encoder.layer0.reverse.h", "decoder.cell.layer0.h"]),
        ("encoder.layer0.reverse.h", TWO, ["encoder.layer0.reverse.h"]),
        ("layer0.h", BARE, ["layer0.h"]),
        (" layer0.h@0 ", BARE, ["layer0.h@0"]),
    ],
)
def test_an_address(address, known, found):
    assert [one.address for one in find(address, known)] == found


@pytest.mark.parametrize(
    ("units", "numbers"),
    [("[3]", [3]), ("[3:6]", [3, 4, 5]), ("[7:]", [7, 8]), ("[:2]", [0, 1]), ("[1, 5,8]", [1, 5, 8]), ("", range(9))],
)
def test_units(units, numbers):
    (one,) = find(f"layer0.h{units}", BARE)
    assert one.numbers(9) == list(numbers)


@pytest.mark.parametrize(
    ("address", "known", "told"),
    [
        ("layer0.q", ONE, "no value 'layer0.q'"),
        ("layer0.cc", ONE, "layer0.c"),
        ("layer2.c", ONE, "rnn.layer0 has i, c, h, and so in 1 more"),
        ("layer0.h", TWO, "encoder.layer0.h"),  # (there are two modules: which?)
        ("", ONE, "no address"),
        ("[3]", ONE, "no address"),
        ("layer0.c[", ONE, "no address"),
        ("layer0.c[3][4]", ONE, "no address"),
        ("layer0.c[-1]", ONE, "names no units"),
        ("layer0.c[a]", ONE, "names no units"),
        ("layer0.c[]", ONE, "names no units"),
        ("layer0.c[1,]", ONE, "names no units"),
        ("layer0.h", {}, "no recurrent layer"),
    ],
)
def test_what_is_none(address, known, told):
    with pytest.raises(AddressError) as error:
        find(address, known)
    assert told in str(error.value)


def test_units_that_are_not_there():
    for units in ("[9]", "[3,12]", "[9:]", "[4:4]"):
        (one,) = find(f"layer0.h{units}", BARE)
        with pytest.raises(AddressError, match="9 units, 0 to 8"):
            one.numbers(9)
