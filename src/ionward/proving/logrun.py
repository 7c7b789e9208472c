"""A measured log of one cell through the BMS: every row is a tick at its own time, with the stages of the field.

The log stands in for the sensors of a one-cell pack without contactors. The stages see current, voltage and temperature
of a row, each with its age, and nothing else; the reference SOC of a log is compared with the result afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

from ionward._compile import njit
from ionward.battery import tables
from ionward.battery.cell import CellModel
from ionward.battery.logs import GAP_FACTOR, GAP_MIN_S, Log
from ionward.battery.system import System, system_from
from ionward.control.bms import Bms
from ionward.control.entry import call_tick, tick_address
from ionward.control.estimate_memory import PRESET
from ionward.control.tick import Memory
from ionward.errors import UserError
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL, RAW, Raw, new_command
from ionward.image.layout import Image
from ionward.image.parameters import Parameters
from ionward.image.signals import CELL, FAULT, GOOD, LEVELS, LIMIT_RULES

Array = npt.NDArray[np.float64]

PRESET_STD = 0.3  # a start that a person gives may be 20 or 30 points wrong
# Tolerance (three standard deviations) of the current sensor behind a log, as a share of the capacity per hour: 42 mA
# for a cell of 2.8 Ah. Cyclers are better, sensors of packs are not.
CURRENT_TOLERANCE = 0.015
CHUNK_ROWS = 4000

KEPT = 7  # numbers that the run keeps of each row, see `feed_rows`


class Settings(NamedTuple):
    """How a log is read: offset and gain are applied to the measured current before anything sees it."""

    start_soc: float | None = None
    capacity_ah: float | None = None
    current_offset_a: float = 0.0
    current_gain: float = 1.0
    settle_s: float = 600.0
    temperature_c: float | None = None


@dataclass(frozen=True)
class FaultSeen:
    """A fault that was raised while the log ran."""

    fault: str
    name: str
    level: str
    first_s: float
    rows: int


@dataclass(frozen=True)
class LogRun:
    """What came out: arrays have one value for each row of the log; NaN where nothing is known."""

    log: Log
    system: System
    settings: Settings
    soc: Array
    soc_std: Array
    voltage_pred_v: Array
    charge_limit_a: Array
    discharge_limit_a: Array
    residual_v: Array
    usable: Array
    gaps: int
    longest_gap_s: float
    rejected_samples: int
    faults: list[FaultSeen]
    charge_limit_rule: str
    discharge_limit_rule: str
    temperature_source: str
    notes: list[str] = field(default_factory=list)

    @property
    def settled(self) -> npt.NDArray[np.bool_]:
        """Rows after the settling time."""
        return np.asarray(self.log.time_s - self.log.time_s[0] >= self.settings.settle_s)

    def score(self) -> tuple[float, float] | None:
        """RMSE and largest error of the SOC in percent after settling; None where the log has no reference there."""
        if self.log.soc_ref is None:
            return None
        error = (self.soc - self.log.soc_ref)[self.settled & np.isfinite(self.log.soc_ref) & np.isfinite(self.soc)]
        if not len(error):
            return None
        return 100 * float(np.sqrt(np.mean(error**2))), 100 * float(np.max(np.abs(error)))

    def voltage_rmse_mv(self) -> float | None:
        """RMS of measured minus predicted voltage after settling, where a voltage was used."""
        residual = self.residual_v[self.settled & np.isfinite(self.residual_v)]
        return 1e3 * float(np.sqrt(np.mean(residual**2))) if len(residual) else None

    def summary(self) -> dict[str, Any]:
        """The result as plain values for JSON; None where something is not known."""
        score = self.score()
        out: dict[str, Any] = {
            "log": self.log.source,
            "cell": self.system.cell_model.name,
            "rows": len(self.log),
            "seconds": self.log.seconds,
            "soc_end": _number(self.soc[-1]),
            "soc_std_end": _number(self.soc_std[-1]),
        }
        if score is not None:
            out |= {"soc_rmse_pct": score[0], "soc_max_pct": score[1]}
        return out | {
            "voltage_rmse_mv": self.voltage_rmse_mv(),
            "nan_rows": self.log.issues.nan_rows,
            "gaps": self.gaps,
            "longest_gap_s": self.longest_gap_s,
            "rejected_samples": self.rejected_samples,
            "faults": [vars(f) for f in self.faults],
            "charge_limit_a": _number(self.charge_limit_a[-1]),
            "charge_limit_rule": self.charge_limit_rule,
            "discharge_limit_a": _number(self.discharge_limit_a[-1]),
            "discharge_limit_rule": self.discharge_limit_rule,
            "temperature": self.temperature_source,
            "notes": self.notes,
        }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def gap_steps(time_s: Array) -> npt.NDArray[np.bool_]:
    """Steps between rows that are far longer than their neighbours, by the rule of `battery.logs`."""
    steps = np.diff(time_s)
    if len(steps) < 3:
        return np.zeros(len(steps), bool)
    usual = median_filter(steps, size=11, mode="nearest")
    return np.asarray((steps > GAP_FACTOR * usual) & (steps > GAP_MIN_S))


def bench_system(cell: CellModel, longest_step_s: float, settings: Settings, temperature: bool) -> System:
    """The one-cell pack behind a log. Its sensors are as slow as the log, and plausible up to what the cell bears.

    Raises:
        UserError: the capacity that was given is impossible.
    """
    sheet = cell.data_sheet
    reach_a = 4.0 * max(sheet.charge_current_pulse_a, sheet.discharge_current_pulse_a)
    capacity_ah = settings.capacity_ah or cell.capacity.reference_ah
    age_max_s = 1.01 * max(longest_step_s, 1.0)
    slow = {"period_s": 0.1, "age_max_s": age_max_s}
    values: dict[str, Any] = {
        "system": {"name": f"log of {cell.name}", "profile": "bench", "cell": cell.name},
        "topology": {
            "modules_in_series": 1,
            "cells_per_module": 1,
            "cells_in_parallel": 1,
            "temperature_sensors_per_module": 1 if temperature else 0,
            "capacity_ah": capacity_ah,
        },
        "sensors": {
            "hold_s": 1.0,
            "cell_voltage": slow | {"rate_max_v_per_s": 1e4},
            "temperature": slow | {"rate_max_k_per_s": 1e4},
            "current": slow
            | {
                "minimum_a": -reach_a,
                "maximum_a": reach_a,
                "tolerance_a": CURRENT_TOLERANCE * capacity_ah,
                "rate_max_a_per_s": 1e9,
            },
        },
    }
    return system_from(values, f"log of {cell.name}", None, cell)  # type: ignore[arg-type]


def run_log(
    log: Log,
    cell: CellModel,
    settings: Settings = Settings(),  # noqa: B008 - immutable
    progress: Callable[[int], None] | None = None,
) -> LogRun:
    """Put a log through the BMS. `progress` is told the number of rows done.

    Raises:
        UserError: a setting is impossible.
    """
    check_settings(settings)
    gap = gap_steps(log.time_s)
    steps = np.diff(log.time_s)
    longest_step_s = float(np.max(steps[~gap], initial=0.0))
    temperature_c, temperature_source = temperature_of(log, settings)
    system = bench_system(cell, longest_step_s, settings, temperature_c is not None)
    bms = Bms.of(system)
    if settings.start_soc is not None:
        bms.memory.estimate.preset[PRESET.soc] = settings.start_soc
        bms.memory.estimate.preset[PRESET.std] = PRESET_STD
    raw, command = bms.new_raw(), new_command()
    command["connect"] = 1
    rows = len(log)
    inputs = np.empty((4, rows))
    inputs[0] = log.time_s - log.time_s[0]
    inputs[1] = log.current_a * settings.current_gain + settings.current_offset_a
    inputs[2] = log.voltage_v
    inputs[3] = math.nan if temperature_c is None else temperature_c
    before_gap = np.append(False, gap)
    out = np.full((KEPT, rows), math.nan)
    seen = np.zeros((3, len(FAULTS)))
    address = tick_address()
    for first in range(0, rows, CHUNK_ROWS):
        last = min(first + CHUNK_ROWS, rows)
        feed_rows(
            address, raw, command, bms.parameters, bms.image, bms.memory, inputs, before_gap, first, last, out, seen
        )
        if progress is not None:
            progress(last)
    s = bms.image.scalars[0]
    run = LogRun(
        log,
        system,
        settings,
        soc=out[0],
        soc_std=out[1],
        voltage_pred_v=out[2],
        charge_limit_a=out[3],
        discharge_limit_a=out[4],
        residual_v=out[5],
        usable=out[6],
        gaps=int(gap.sum()),
        longest_gap_s=float(np.max(steps[gap], initial=0.0)),
        rejected_samples=int(s["rejected_samples"]),
        faults=faults_seen(seen),
        charge_limit_rule=LIMIT_RULES[int(s["charge_limit_rule"])],
        discharge_limit_rule=LIMIT_RULES[int(s["discharge_limit_rule"])],
        temperature_source=temperature_source,
    )
    run.notes.extend(doubts(run))
    return run


def check_settings(settings: Settings) -> None:
    """Refuse what cannot be.

    Raises:
        UserError: one line for each impossible setting.
    """
    problems = []
    start, capacity = settings.start_soc, settings.capacity_ah
    if start is not None and not 0.0 <= start <= 1.0:
        hint = f": percent given as a fraction? {start / 100:g}" if 1.0 < start <= 100.0 else ""
        problems.append(f"--start-soc is {start:g}, allowed: 0 to 1{hint}")
    if capacity is not None and not (capacity > 0.0 and math.isfinite(capacity)):
        problems.append(f"--capacity-ah is {capacity:g}, allowed: more than 0")
    if not math.isfinite(settings.current_offset_a):
        problems.append(f"--current-offset-a is {settings.current_offset_a:g}, allowed: a number of ampere")
    if not (math.isfinite(settings.current_gain) and settings.current_gain > 0.0):
        problems.append(f"--current-gain is {settings.current_gain:g}, allowed: more than 0, 1 changes nothing")
    if not settings.settle_s >= 0.0:
        problems.append(f"--settle-s is {settings.settle_s:g}, allowed: 0 or more")
    if settings.temperature_c is not None and not -60.0 <= settings.temperature_c <= 120.0:
        problems.append(f"--temperature is {settings.temperature_c:g}, allowed: -60 to 120 °C")
    if problems:
        raise UserError(*problems)


def temperature_of(log: Log, settings: Settings) -> tuple[Array | float | None, str]:
    """Temperature to use and where it comes from: the option, the log's column, the log's description, or unknown."""
    if settings.temperature_c is not None:
        return settings.temperature_c, f"{settings.temperature_c:g} °C, as given"
    if log.temperature_c is not None and np.isfinite(log.temperature_c).any():
        return log.temperature_c, "measured"
    for key in ("ambient_c", "temperature_c"):
        try:
            described = float(str(log.metadata.get(key)))
        except ValueError:
            continue
        if -60.0 <= described <= 120.0:
            return described, f"{described:g} °C, from the file's description"
    return None, "not known: 25 °C assumed, with doubt"


@njit
def feed_rows(
    address: int,
    raw: Raw,
    command: Any,
    parameters: Parameters,
    image: Image,
    memory: Memory,
    inputs: Array,
    before_gap: Any,
    first: int,
    last: int,
    out: Array,
    seen: Array,
) -> None:
    """Tick once for each row from `first` to before `last`; a gap in the log is a tick without samples.

    `address` is that of the compiled tick (`control.entry.tick_address`). `inputs` is `[time, current, voltage,
    temperature; row]`, `out` `[KEPT, row]`, `seen` `[highest level, first time, rows; fault]`.
    """
    for row in range(first, last):
        time_s = inputs[0, row]
        if before_gap[row]:
            # The sensors were silent: what a BMS that ran on would have noted just before they came back.
            quiet_s = max(time_s - 1e-3, 0.5 * (inputs[0, row - 1] + time_s))
            feed_row(address, raw, command, parameters, image, memory, quiet_s, math.nan, math.nan, math.nan)
        feed_row(
            address, raw, command, parameters, image, memory, time_s, inputs[1, row], inputs[2, row], inputs[3, row]
        )
        s = image.scalars[0]
        out[0, row] = s["soc"]
        out[1, row] = s["soc_std"]
        out[2, row] = image.cells[CELL.voltage_predicted_v, 0]
        out[3, row] = s["charge_limit_a"]
        out[4, row] = s["discharge_limit_a"]
        out[5, row] = image.cells[CELL.residual_v, 0]
        out[6, row] = 1.0 if image.cells[CELL.quality, 0] == GOOD and s["current_quality"] == GOOD else 0.0
        if s["fault_level"] > 0:
            for fault in range(seen.shape[1]):
                level = image.faults[FAULT.level, fault]
                if level > 0:
                    if seen[2, fault] == 0.0:
                        seen[1, fault] = time_s
                    seen[0, fault] = max(seen[0, fault], level)
                    seen[2, fault] += 1.0


@njit
def feed_row(
    address: int,
    raw: Raw,
    command: Any,
    parameters: Parameters,
    image: Image,
    memory: Memory,
    time_s: float,
    current_a: float,
    voltage_v: float,
    temperature_c: float,
) -> None:
    """One tick with samples taken at its own time."""
    raw.clock[0]["time_s"] = time_s
    raw.channels[RAW.value, CHANNEL.current_a] = current_a
    raw.channels[RAW.time_s, CHANNEL.current_a] = time_s
    raw.cells[RAW.value, 0] = voltage_v
    raw.cells[RAW.time_s, 0] = time_s
    raw.temperatures[RAW.value, 0] = temperature_c
    raw.temperatures[RAW.time_s, 0] = time_s
    call_tick(address, raw, command, parameters, image, memory)


def faults_seen(seen: Array) -> list[FaultSeen]:
    """Faults that were raised, in the order in which they came."""
    found = [
        FaultSeen(fault.id, fault.name, LEVELS[int(level)], float(first_s), int(rows))
        for fault, (level, first_s, rows) in zip(FAULTS, seen.T, strict=True)
        if rows > 0
    ]
    return sorted(found, key=lambda f: f.first_s)


def usual_std_mv(run: LogRun) -> float:
    """Standard deviation of the model's voltage at the log's temperature, in the middle of the SOC range."""
    temperature, _ = temperature_of(run.log, run.settings)
    middle_c = 25.0 if temperature is None else float(np.nanmedian(temperature))
    row, weight = tables.temperature_cell(middle_c)
    std_v = run.system.cell_model.table()[row : row + 2, :, tables.MODEL_STD_V]
    return 1e3 * float(np.median((1.0 - weight) * std_v[0] + weight * std_v[1]))


def doubts(run: LogRun) -> list[str]:
    """What speaks against this cell, or against the log: one sentence each."""
    log, cell = run.log, run.system.cell_model
    sheet = cell.data_sheet
    valid = log.valid
    voltage = log.voltage_v[valid]
    capacity_ah = run.settings.capacity_ah or cell.capacity.reference_ah
    out = []
    outside = float(np.mean((voltage > sheet.voltage_max_v + 0.05) | (voltage < sheet.voltage_min_v - 0.1)))
    if outside > 0.01:
        out.append(
            f"{100 * outside:.0f} % of the voltages lie outside {sheet.voltage_min_v:g} to {sheet.voltage_max_v:g} V "
            f"of {cell.name}: is it this cell?"
        )
    swing_ah = float(np.ptp(log.charge_ah()))
    if swing_ah > 1.1 * capacity_ah:
        out.append(
            f"the log moves {swing_ah:.2f} Ah in one direction, the cell is taken to hold {capacity_ah:.2f} Ah: "
            "wrong cell, wrong --capacity-ah, or a current sensor with an offset"
        )
    rmse_mv = run.voltage_rmse_mv()
    usual_mv = usual_std_mv(run)
    if rmse_mv is not None and rmse_mv > max(30.0, 3.5 * usual_mv):
        out.append(
            f"the voltage differs from the model's by {rmse_mv:.0f} mV (rms), {usual_mv:.0f} mV are usual for "
            f"{cell.name}: another cell, an aged one, or a temperature that is not the cell's"
        )
    if not np.isfinite(run.soc).any():
        out.append("the SOC was never started: no usable voltage came in")
    return out
