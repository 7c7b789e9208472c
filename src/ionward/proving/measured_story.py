"""What measured captures leave open, in words; and what can be inferred about contactors that are not ours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward.battery.system import System
from ionward.hardware.captures import Capture, Captures
from ionward.image.build import CHANNEL_SENSORS
from ionward.image.faults import FAULTS
from ionward.image.layout import Image
from ionward.image.signals import FAULT, SEQUENCE_REASONS, STATE_CONNECTED, STATES

Array = npt.NDArray[np.float64]

REST_S = 0.2  # no current for so long counts as open, or as nothing switched on
PULSE_MAX_S = 3.0  # a precharge is over by then
LINK_MIN_F, LINK_MAX_F = 20e-6, 50e-3  # capacitance that a DC link may have
MATCH = 0.05  # bus and pack voltage this close (as a share): connected


@dataclass
class Connection:
    """What is known or inferred about the other controller's contactors. Times are those of the captures."""

    closed_at_end: bool
    inferred: bool
    text: str
    closed_s: float | None = None
    precharge_s: tuple[float, float] | None = None
    link_capacitance_f: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "inferred": self.inferred,
            "text": self.text,
            "closed_s": self.closed_s,
            "precharge_s": list(self.precharge_s) if self.precharge_s else None,
            "link_capacitance_f": self.link_capacitance_f,
        }


def infer_connection(captures: Captures, system: System) -> Connection:
    """When the contactors closed: from their feedback, else from the bus voltage, else from the current."""
    for judge in (_from_feedback, _from_bus, _from_current):
        found = judge(captures, system)
        if found is not None:
            return found
    return Connection(False, True, "nothing in the captures tells whether the contactors were closed")


def _known(captures: Captures, name: str) -> tuple[Array, Array, Capture] | None:
    capture = captures.source_of(name)
    column = capture.column(name) if capture else None
    if capture is None or column is None:
        return None
    good = np.isfinite(column)
    return (capture.time_s[good], column[good], capture) if good.any() else None


def _from_feedback(captures: Captures, system: System) -> Connection | None:
    names = ("main_positive_closed", "main_negative_closed")
    found = [_known(captures, n) for n in names]
    if found[0] is None or found[1] is None:
        return None
    t = found[0][0]
    other = np.interp(t, found[1][0], found[1][1]) > 0.5
    closed = (found[0][1] > 0.5) & other
    return _by_flag(t, closed, False, "their feedback contacts")


def _from_bus(captures: Captures, system: System) -> Connection | None:
    bus, pack = _known(captures, "bus_voltage_v"), _known(captures, "pack_voltage_v")
    if bus is None or pack is None:
        return None
    voltage = np.interp(bus[0], pack[0], pack[1])
    closed = (np.abs(bus[1] - voltage) < MATCH * voltage) & (voltage > system.dc_link.dead_v)
    return _by_flag(bus[0], closed, True, "bus and pack voltage")


def _by_flag(t: Array, closed: npt.NDArray[np.bool_], inferred: bool, by: str) -> Connection:
    if closed.all():
        return Connection(True, inferred, f"closed during the whole capture, by {by}")
    if not closed.any():
        return Connection(False, inferred, f"open during the whole capture, by {by}")
    first = int(np.argmax(closed))
    when = "before the capture began" if first == 0 else f"at {t[first]:.3f} s"
    end = "still closed at its end" if closed[-1] else f"open again from {t[np.flatnonzero(closed)[-1] + 1]:.3f} s"
    return Connection(
        bool(closed[-1]), inferred, f"closed {when}, {end}, by {by}", None if first == 0 else float(t[first])
    )


def _from_current(captures: Captures, system: System) -> Connection | None:
    """A rest, a pulse that dies away (the DC link being charged), then a current that stays: precharge and closing."""
    found = _known(captures, "current_a")
    if found is None:
        return None
    t, current, _ = found
    # One digit either way is no current; a capture may be coarser than its system file says.
    levels = np.unique(current)
    digit = float(np.diff(levels).min()) if len(levels) > 3 else 0.0
    floor = 1.01 * max(system.sensors.current.resolution, digit)
    flows = np.abs(current) > floor
    if not flows.any():
        return Connection(False, True, "no current flowed during the whole capture: open, or nothing was switched on")
    first = int(np.argmax(flows))
    if t[first] - t[0] < REST_S:
        return Connection(
            True, True, f"current flows from the first rows on ({current[first]:g} A): closed before the capture began"
        )
    pulse = _pulse(t, current, first, floor)
    if pulse is None:
        return Connection(
            True, True, f"no current up to {t[first]:.3f} s, then it flows: closed by then", float(t[first])
        )
    begin, end = pulse
    charge_as = float(-np.trapezoid(current[begin : end + 1], t[begin : end + 1]))
    pack = _known(captures, "pack_voltage_v")
    voltage = float(np.median(pack[1])) if pack is not None else math.nan
    capacitance = charge_as / voltage if voltage > 0 else math.nan
    if not LINK_MIN_F < capacitance < LINK_MAX_F:
        return Connection(
            True, True, f"no current up to {t[first]:.3f} s, then it flows: closed by then", float(t[first])
        )
    later = np.flatnonzero(flows[end + 1 :])
    pulse_text = (
        f"a pulse of {charge_as:.2f} As from {t[begin]:.3f} to {t[end]:.3f} s looks like a precharge "
        f"(a DC link of {1e3 * capacitance:.2g} mF at {voltage:.0f} V)"
    )
    span = (float(t[begin]), float(t[end]))
    if not len(later):
        return Connection(
            False, True, f"{pulse_text}; no current after it, so closing is not seen", None, span, capacitance
        )
    closed_s = float(t[end + 1 + later[0]])
    text = f"{pulse_text}; a load follows at {closed_s:.3f} s, so the contactors closed between {t[end]:.3f} and then"
    return Connection(True, True, text, closed_s, span, capacitance)


def _pulse(t: Array, current: Array, first: int, floor: float) -> tuple[int, int] | None:
    """Rows of a discharge pulse that begins at `first` and dies away to nothing soon; None where it does not."""
    begin = max(first - 1, 0)
    still = np.abs(current[first:]) <= floor / 2
    if not still.any():
        return None
    end = first + int(np.argmax(still))
    if t[end] - t[begin] > PULSE_MAX_S or (current[first:end] >= 0).any():
        return None
    return begin, end


def what_is_unknown(
    system: System,
    captures: Captures,
    image: Image,
    shares: dict[str, float],
    limits: dict[str, Any],
    connection: Connection,
) -> list[str]:
    """Everything that the BMS cannot know from these captures, one sentence each."""
    return [
        *_missing_inputs(system, captures),
        *_rates(system, captures, shares),
        *_empty_rows(captures),
        *_estimate(image, shares, captures),
        *_state(image),
        *_limits(image, limits),
        *(_contactors(connection) if system.series > 1 else []),
    ]


def _missing_inputs(system: System, captures: Captures) -> list[str]:
    channels, cells, sensors = captures.missing()
    fitted = [c for c in channels if getattr(system.sensors, CHANNEL_SENSORS[c]).fitted]
    absent = [c for c in channels if c not in fitted]
    out = []
    if fitted:
        out.append(f"{', '.join(fitted)}: in the system file but not in the captures; taken as not fitted, so nothing "
                   "that needs them is watched")  # fmt: skip
    if absent:
        out.append(f"{', '.join(absent)}: not fitted")
    total = captures.size.cells
    if len(cells) == total:
        out.append(f"cell voltages: none of {total}; cell over- and undervoltage, spread and cell SOC are not watched")
    elif cells:
        out.append(f"cell voltages: {len(cells)} of {total} are not in the captures (from cell {cells[0]} on)")
    if system.topology.temperature_sensors == 0:
        out.append("cell temperatures: no sensor in the system file; the cell model assumes 25 °C with much doubt")
    elif len(sensors) == captures.size.sensors:
        out.append(
            "cell temperatures: none; the cell model assumes 25 °C with much doubt, and no temperature limit holds"
        )
    elif sensors:
        out.append(f"cell temperatures: {len(sensors)} of {captures.size.sensors} sensors are not in the captures")
    return out


def _rates(system: System, captures: Captures, shares: dict[str, float]) -> list[str]:
    out = []
    capture = next((f for f in captures.files if any(n.startswith("cell_voltage_v[") for n in f.inputs)), None)
    if capture is not None and system.series > 1:
        age_s = system.sensors.cell_voltage.age_max_s
        period = f"every {capture.period_s:.3g} s" if len(capture.time_s) > 1 else "once"
        if shares["cells"] < 0.999:
            out.append(
                f"cell voltages come {period} ({len(capture.time_s)} times) and count for {age_s:g} s: known during "
                f"{100 * shares['cells']:.0f} % of the time"
            )
        if capture.period_s > 10 * system.cycle.period_s:
            out.append(
                f"between two polls ({period}) a cell may have gone anywhere: its newest sample is used as it ages"
            )
    if shares["current"] < 0.999:
        out.append(f"current: usable during {100 * shares['current']:.1f} % of the time")
    return out


def _empty_rows(captures: Captures) -> list[str]:
    out = []
    for capture in captures.files:
        lost = np.isnan(capture.values).sum(axis=1)
        for count in sorted({int(n) for n in lost if n}):
            names = [name for name, n in zip(capture.inputs, lost, strict=True) if n == count]
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""
            out.append(
                f"{', '.join(names[:2])}{more}: {count} of {len(capture.time_s)} rows of {capture.source} have no "
                "value (the sensor was not ready)"
            )
    return out


def _estimate(image: Image, shares: dict[str, float], captures: Captures) -> list[str]:
    s = image.scalars[0]
    if not np.isfinite(s["soc"]):
        why = "no cell voltage has come to start from" if len(captures.missing()[1]) == captures.size.cells else (
            "no usable cell voltage and current came together")  # fmt: skip
        return [f"SOC: unknown, {why}"]
    out = []
    if shares["soc"] < 0.999:
        out.append(f"SOC: unknown during the first {100 * (1 - shares['soc']):.0f} % of the time")
    if s["soc_std"] > 0.03:
        out.append(
            f"SOC: uncertain, {100 * s['soc']:.1f} % with a standard deviation of {100 * s['soc_std']:.1f} points"
        )
    return out


def _state(image: Image) -> list[str]:
    s = image.scalars[0]
    reason = SEQUENCE_REASONS[int(s["state_reason"])]
    if s["state"] == STATE_CONNECTED or not reason:
        return []
    return [f"state: {STATES[int(s['state'])]}, because: {reason}"]


def _limits(image: Image, limits: dict[str, Any]) -> list[str]:
    out = []
    for direction in ("charge", "discharge"):
        if limits[f"{direction}_a"] > 0:
            continue
        rule = limits[f"{direction}_rule"]
        levels = image.faults[FAULT.level]
        worst = FAULTS[int(np.argmax(levels))].name if levels.max() > 0 else ""
        because = f"{rule} ({worst})" if rule in ("fault", "warning") and worst else rule
        out.append(f"{direction} limit: 0 A at the end, because of: {because}")
    return out


def _contactors(connection: Connection) -> list[str]:
    if not connection.inferred:
        return []
    return [f"contactors: not ours and without feedback; {connection.text}"]
