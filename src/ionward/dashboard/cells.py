"""Cells as plain values: one quantity over all cells with its scale, and everything about one cell."""

from __future__ import annotations

from typing import Any, NamedTuple

from ionward.dashboard import figures
from ionward.dashboard.facts import Facts
from ionward.dashboard.figures import known

Item = dict[str, Any]


class Quantity(NamedTuple):
    """A quantity that every cell has: where it stands, how it is told, and the least span of its colour scale.

    `factor` makes the shown unit from the stored one; `around_mean`: colours tell the distance from the mean.
    """

    key: str
    name: str
    field: str
    quality: str
    unit: str
    digits: int
    factor: float
    least_span: float
    around_mean: bool


QUANTITIES = {
    q.key: q
    for q in (
        Quantity("voltage", "Voltage", "voltage_v", "quality", "V", 3, 1.0, 0.010, True),
        Quantity("soc", "SOC", "soc", "quality", "%", 1, 100.0, 1.0, True),
        Quantity("temperature", "Temperature", "temperature_c", "temperature_quality", "°C", 1, 1.0, 4.0, False),
    )
}


NOBODY: tuple[float | None, int] = (None, -1)


def all_cells(cells: Item, facts: Facts, key: str) -> Item:
    """One quantity of all cells: values, the ends of its scale, and who is lowest and highest."""
    q = QUANTITIES.get(key) or QUANTITIES["voltage"]
    values = [round(v * q.factor, q.digits + 1) if known(v) else None for v in cells[q.field]]
    present = [(v, n) for n, v in enumerate(values) if v is not None]
    lowest: tuple[float | None, int] = min(present) if present else NOBODY
    highest: tuple[float | None, int] = max(present, key=lambda vn: (vn[0], -vn[1])) if present else NOBODY
    mean = sum(v for v, _ in present) / len(present) if present else None
    low, high = scale(q, lowest[0], highest[0], mean)
    spread = highest[0] - lowest[0] if highest[0] is not None and lowest[0] is not None else None
    return {
        "key": q.key,
        "unit": q.unit,
        "digits": q.digits,
        "values": values,
        "low": low,
        "high": high,
        "mean": None if mean is None else round(mean, q.digits + 1),
        "around_mean": q.around_mean,
        "lowest": _extreme(q, *lowest),
        "highest": _extreme(q, *highest),
        "difference": figures.difference(spread) if q.key == "voltage" else figures.figure(spread, q.digits, _step(q)),
        "mean_text": figures.figure(mean, q.digits, q.unit),
        "balancing": [n for n, on in enumerate(cells["balancing"]) if on],
        "bad": [[n, word] for n, word in enumerate(cells[q.quality]) if word != "good"],
        "per_module": facts.cells_per_module,
        "modules": facts.modules,
        "age_s": cells["image_age_s"],
    }


def _step(q: Quantity) -> str:
    return {"%": "points", "°C": "K"}.get(q.unit, q.unit)


def _extreme(q: Quantity, value: float | None, cell: int) -> Item:
    return {"text": figures.figure(value, q.digits, q.unit), "cell": cell}


def scale(q: Quantity, low: float | None, high: float | None, mean: float | None) -> tuple[float | None, float | None]:
    """Ends of the colour scale: the same distance on both sides of the mean, or from the lowest to the highest."""
    if low is None or high is None or mean is None:
        return None, None
    if q.around_mean:
        half = max(high - mean, mean - low, q.least_span / 2)
        return round(mean - half, 5), round(mean + half, 5)
    missing = max(0.0, q.least_span - (high - low))
    return round(low - missing / 2, 5), round(high + missing / 2, 5)


def one_cell(cell: Item, facts: Facts) -> Item:
    """Everything about one cell, as groups of named figures."""
    number, module = cell["cell"], facts.module_of(cell["cell"])
    return {
        "cell": number,
        "title": f"Cell {number}",
        "where": f"module {module}, cell {number - module * facts.cells_per_module} of it",
        "last": facts.cells - 1,
        "quality": cell["quality"],
        "reason": cell["reason"],
        "balancing": bool(cell["balancing"]),
        "headline": [
            _named("Voltage", figures.figure(cell["voltage_v"], 4, "V"), _against(cell, facts)),
            _named("State of charge", figures.percent(cell["soc"], 2), _plus_minus(cell)),
            _named("Temperature", figures.temperature(cell["temperature_c"]), _good(cell["temperature_quality"])),
            _named("Charge limit", figures.current(cell["charge_limit_a"], sign=False), "as this cell allows"),
            _named("Discharge limit", figures.current(cell["discharge_limit_a"], sign=False), "as this cell allows"),
        ],
        "details": [
            _named("Open-circuit voltage", figures.figure(cell["ocv_v"], 4, "V"), "at the estimated SOC"),
            _named("Expected voltage", figures.figure(cell["voltage_predicted_v"], 4, "V"), "before the measurement"),
            _named("Residual", figures.difference(cell["residual_v"]), "measured minus expected"),
            _named("Polarisation", figures.difference(cell["polarisation_v"]), "positive after charging"),
            _named("Resistance", figures.resistance(cell["resistance_ohm"]), "ohmic, from the model"),
            _named("Resistance, 10 s", figures.resistance(cell["resistance_10s_ohm"]), "with what the RC pairs add"),
            _named("Capacity", figures.figure(cell["capacity_ah"], 1, "Ah"), "that the estimate uses"),
            _named("State of health", figures.percent(cell["soh"]), ""),
            _named("Sample", {"v": figures.span(cell["age_s"]), "u": ""}, "old"),
        ],
    }


def _named(name: str, figure: figures.Figure, note: str) -> Item:
    return {"name": name, "figure": figure, "note": note}


def _good(quality: str | None) -> str:
    return "" if quality in ("good", None) else str(quality)


def _plus_minus(cell: Item) -> str:
    std = cell["soc_std"]
    return f"± {figures.text(100 * std, 2)} %" if known(std) else ""


def _against(cell: Item, facts: Facts) -> str:
    against = cell["voltage_against_mean_v"]
    if not known(against):
        return _good(cell["quality"])
    text = figures.one(figures.figure(1000 * against, 1, "mV", sign=True))
    return f"{text} to the mean, {_rank(cell['voltage_rank'], facts.cells)}"


def _rank(rank: int | None, cells: int) -> str:
    if rank is None:
        return ""
    if rank == 1:
        return "the lowest"
    return "the highest" if rank == cells else f"{rank} of {cells} from below"
