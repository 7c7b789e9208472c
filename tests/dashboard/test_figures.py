"""Numbers as a person reads them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionward.dashboard import figures

ANY = st.one_of(st.none(), st.floats(), st.integers(-(10**12), 10**12), st.just("text"), st.booleans())


@given(ANY)
def test_nothing_unknown_is_ever_shown_as_a_number(value: object) -> None:
    made = [
        figures.figure(value, 2, "V"), figures.percent(value), figures.power(value), figures.energy(value),
        figures.current(value), figures.pack_voltage(value), figures.temperature(value), figures.difference(value),
        figures.resistance(value),
    ]  # fmt: skip
    for shown in made:
        assert "nan" not in shown["v"].lower()
        assert "inf" not in shown["v"].lower()
        assert "-" not in shown["v"]
        assert (shown["v"] == figures.UNKNOWN) == (not figures.known(value)) or not math.isfinite(float(value) * 1e3)
        assert shown["u"] == "" or shown["v"] != figures.UNKNOWN
    for words in (figures.span(value), figures.microseconds(value), figures.size(value)):
        assert "nan" not in words.lower()


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (figures.power(-34_210.0), "34.2 kW"),
        (figures.power(2_880.0), "2.88 kW"),
        (figures.power(113_400.0), "113 kW"),
        (figures.power(46.0), "46 W"),
        (figures.energy(31_650.0), "31.6 kWh"),
        (figures.current(-0.04), "0.0 A"),
        (figures.current(-7.62), "−7.6 A"),
        (figures.current(123.4), "+123 A"),
        (figures.current(123.4, sign=False), "123 A"),
        (figures.pack_voltage(377.94), "377.9 V"),
        (figures.pack_voltage(51.234), "51.23 V"),
        (figures.percent(0.7254), "72.5 %"),
        (figures.difference(0.0162), "16 mV"),
        (figures.difference(0.0031), "3.1 mV"),
        (figures.resistance(5.01e6), "5.01 MΩ"),
        (figures.resistance(0.00105), "1.05 mΩ"),
        (figures.temperature(None), "–"),
    ],
)
def test_digits_that_make_sense(made: figures.Figure, shown: str) -> None:
    assert figures.one(made) == shown


@pytest.mark.parametrize(
    ("time_s", "shown"),
    [(0.012, "12 ms"), (3.24, "3.2 s"), (42.0, "42 s"), (59.97, "1 min"), (725.0, "12 min 5 s"),
     (8040.0, "2 h 14 min"), (273600.0, "3 d 4 h"), (-0.5, "0 ms")],
)  # fmt: skip
def test_spans_of_time(time_s: float, shown: str) -> None:
    assert figures.span(time_s) == shown
