"""Numbers as a person reads them: sensible digits, a unit, and a dash where nothing is known."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

UNKNOWN = "–"
MINUS = "−"

Figure = dict[str, str]


def known(value: Any) -> bool:
    """The value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def text(value: Any, digits: int = 0, sign: bool = False) -> str:
    """A number with so many decimals; a dash for None and NaN. Never a negative zero."""
    if not known(value):
        return UNKNOWN
    shown = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if float(shown) == 0.0:
        shown = f"{0.0:.{digits}f}"
    return shown.replace("-", MINUS)


def figure(value: Any, digits: int = 0, unit: str = "", sign: bool = False) -> Figure:
    """A number and its unit, apart, so that the unit can be drawn small; no unit where there is no number."""
    shown = text(value, digits, sign)
    return {"v": shown, "u": unit if shown != UNKNOWN else ""}


def one(figure_: Figure) -> str:
    """A figure as one text."""
    return f"{figure_['v']} {figure_['u']}".strip()


def measure(value: Any, unit: str, digits: int) -> str:
    """A number with its unit as one text."""
    return one(figure(value, digits, unit))


def percent(share: Any, digits: int = 1) -> Figure:
    """A fraction 0..1 in percent."""
    return figure(100.0 * share if known(share) else None, digits, "%")


def power(power_w: Any) -> Figure:
    """A power without its sign, in W, kW or MW with three digits."""
    return _scaled(power_w, (("MW", 1e6), ("kW", 1e3), ("W", 1.0)), smallest_digits=0)


def energy(energy_wh: Any) -> Figure:
    """An energy in Wh, kWh or MWh with three digits."""
    return _scaled(energy_wh, (("MWh", 1e6), ("kWh", 1e3), ("Wh", 1.0)), smallest_digits=0)


def _scaled(value: Any, units: tuple[tuple[str, float], ...], smallest_digits: int) -> Figure:
    if not known(value):
        return figure(None)
    size = abs(value)
    unit, factor = next(((u, f) for u, f in units if size >= f), units[-1])
    scaled = size / factor
    if factor == units[-1][1]:
        return figure(scaled, smallest_digits, unit)
    return figure(scaled, 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2, unit)


def current(current_a: Any, sign: bool = True) -> Figure:
    """A current: one decimal below 100 A, none above."""
    if not known(current_a):
        return figure(None)
    return figure(current_a, 1 if abs(current_a) < 99.95 else 0, "A", sign)


def pack_voltage(voltage_v: Any) -> Figure:
    """A pack or bus voltage: two decimals below 100 V, one above."""
    if not known(voltage_v):
        return figure(None)
    return figure(voltage_v, 2 if abs(voltage_v) < 99.995 else 1, "V")


def temperature(temperature_c: Any) -> Figure:
    """A temperature with one decimal."""
    return figure(temperature_c, 1, "°C")


def difference(difference_v: Any) -> Figure:
    """A difference of cell voltages in mV."""
    if not known(difference_v):
        return figure(None)
    value_mv = 1000.0 * difference_v
    return figure(value_mv, 1 if abs(value_mv) < 9.95 else 0, "mV")


def resistance(resistance_ohm: Any) -> Figure:
    """A resistance in mΩ, Ω, kΩ or MΩ with three digits."""
    if not known(resistance_ohm):
        return figure(None)
    for unit, factor in (("MΩ", 1e6), ("kΩ", 1e3), ("Ω", 1.0)):
        if abs(resistance_ohm) >= factor:
            scaled = resistance_ohm / factor
            return figure(scaled, 0 if abs(scaled) >= 99.95 else 1 if abs(scaled) >= 9.995 else 2, unit)
    return figure(1000.0 * resistance_ohm, 2, "mΩ")


def span(time_s: Any) -> str:
    """How long, in the two largest units that a person would say: `3.2 s`, `12 min 5 s`, `2 h 14 min`, `3 d 4 h`."""
    if not known(time_s):
        return UNKNOWN
    time_s = max(0.0, float(time_s))
    if time_s < 0.0995:
        return f"{1000 * time_s:.0f} ms"
    if time_s < 59.95:
        return f"{time_s:.1f} s" if time_s < 9.95 else f"{time_s:.0f} s"
    whole = round(time_s)
    for name, size, lower_name, lower in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // lower
            return f"{whole // size} {name}" + (f" {rest} {lower_name}" if rest else "")
    return f"{whole} s"


def microseconds(time_us: Any) -> str:
    """A duration given in µs: `85 µs`, `1.24 ms`, `2.1 s`."""
    if not known(time_us):
        return UNKNOWN
    for unit, factor in (("s", 1e6), ("ms", 1e3)):
        if time_us >= factor:
            return f"{time_us / factor:.3g} {unit}"
    return f"{time_us:.0f} µs"


def size(size_bytes: Any) -> str:
    """An amount of data in B, kB, MB or GB."""
    if not known(size_bytes):
        return UNKNOWN
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.3g} {unit}"
    return f"{size_bytes:.0f} B"


def clock(iso: str | None) -> str:
    """An ISO time as local time of day with its date."""
    if not iso:
        return UNKNOWN
    return datetime.fromisoformat(iso.replace("Z", "+00:00")).astimezone().strftime("%Y-%m-%d %H:%M:%S")
