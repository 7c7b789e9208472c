"""What survives the end of control: gathered while it runs, given back to a new BMS before its first tick."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ionward.control.bms import Bms
from ionward.control.contactors import SEQ
from ionward.control.estimate import BLIND_SHARE
from ionward.control.estimate_memory import PRESET
from ionward.control.tick import Memory
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL, RAW, Raw
from ionward.image.kernel_memory import PROGRESS
from ionward.image.layout import Image, Size
from ionward.image.parameters import CELLP, FAULTP, MEASURE, Parameters
from ionward.image.signals import (
    CELL,
    FAULT,
    HOLD_FAULT,
    LEVEL_NONE,
    LEVELS,
    SEQUENCE_REASONS,
    STATE_CLOSING,
    STATE_CONNECTED,
    STATE_FAULT,
    STATE_OPENING,
    STATE_PRECHARGE,
)
from ionward.runtime.rest_check import REST_SHARE_PER_H, check_against_rest, soc_window
from ionward.runtime.survival_record import (
    HEAD_RECORD,
    HEAD_WORDS,
    MAGIC,
    SURVIVING_CELL,
    SURVIVING_FAULT,
    VERSION,
    Candidate,
    Floats,
    Integers,
    Pack,
    Refusal,
    Survived,
    boot_words,
    decode,
    encode,
    label,
    pack_fingerprint,
    seal,
    survival_words,
    urgent_part,
)

__all__ = [
    "Candidate", "Pack", "Refusal", "RestoreReport", "Survived", "boot_id", "decode", "encode", "gather", "new_words",
    "pack_fingerprint", "restore", "survival_words", "urgent_part",
]  # fmt: skip

# How the uncertainty of a SOC grows while nothing is measured.
SELF_DISCHARGE_PER_S = 0.03 / (30 * 86400)  # 3 % a month, the upper end of what makers of Li-ion cells state
RUN_ON_S = 1.5  # the record may be a second old, and enables take 0.1 s to expire: the rated current may have flowed
UNKNOWN_DOWN_S = 30 * 86400.0  # where the clock tells nothing about how long it was


BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """The kernel's name for this boot of the machine; empty where it has none, so that every boot counts as another."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return f"unknown {os.getpid()} {time.time()}"


def new_words(size: Size) -> Integers:
    """Room for the record of a pack, for `gather`."""
    words = np.zeros(survival_words(size.cells), np.int64)
    head = words[:HEAD_WORDS].view(HEAD_RECORD)
    head["magic"], head["version"], head["words"] = MAGIC, VERSION, len(words)
    head["cells"], head["faults"] = size.cells, len(FAULTS)
    _blocks(words, size.cells)[1][SURVIVING_FAULT.dtc] = [fault.dtc for fault in FAULTS]
    return words


def _blocks(words: Integers, cells: int) -> tuple[Floats, Floats]:
    """The blocks of cells and faults in a record."""
    floats, at = words.view(np.float64), HEAD_WORDS + len(SURVIVING_CELL) * cells
    return floats[HEAD_WORDS:at].reshape(len(SURVIVING_CELL), cells), floats[at:-1].reshape(len(SURVIVING_FAULT), -1)


def gather(
    words: Integers,
    image: Image,
    memory: Memory,
    command: Any,
    pack: Pack,
    sequence: int,
    now_s: float,
    now_wall_s: float,
    boot: str,
) -> Integers:
    """Write the state as it is after a tick into `words` of `new_words`; cheap enough for every cycle at 100 Hz.

    Args:
        words: written in place and sealed, to be published to `survival.block`.
        image: after the tick.
        memory: after the tick.
        command: what the tick was given.
        pack: from `pack_fingerprint`.
        sequence: higher with every record; after a restart higher than that of the restored one.
        now_s: time on the monotonic clock.
        now_wall_s: wall time at the same moment.
        boot: id of this boot.
    """
    head, s, m = words[:HEAD_WORDS].view(HEAD_RECORD)[0], image.scalars[0], memory.sequence.fields
    if head["pack_0"] != pack.first or head["pack_1"] != pack.second or head["sequence"] == 0:
        label(words, pack, boot_words(boot))
    time_s = s["time_s"]
    head["sequence"] = sequence
    head["time_s"], head["wall_s"] = time_s, time_s + (now_wall_s - now_s)
    head["tick"], head["state"] = s["tick"], s["state"]
    head["acknowledge_count"] = command[0]["acknowledge_count"]
    head["charge_throughput_ah"] = s["charge_throughput_ah"]
    head["discharge_throughput_ah"] = s["discharge_throughput_ah"]
    head["contactor_wear_positive"] = s["contactor_wear_positive"]
    head["contactor_wear_negative"] = s["contactor_wear_negative"]
    head["locked"], head["lock_reason"] = _lock(s, m, command[0])
    head["precharge_tries"] = s["precharge_tries"]
    head["failed_tries"] = memory.protect.state["failed_tries"][0]
    head["resistor_j"], head["resume_s"] = m[SEQ.heat_j], m[SEQ.resume_s]
    kept_cells, kept_faults = _blocks(words, image.cells.shape[1])
    for kept, row in _CELL_ROWS:
        kept_cells[kept] = image.cells[row]
    for kept, row in _FAULT_ROWS:
        kept_faults[kept] = image.faults[row]
    seal(words)
    return words


_CELL_ROWS = [(k, getattr(CELL, name)) for k, name in enumerate(SURVIVING_CELL._fields)]
_FAULT_ROWS = [
    (getattr(SURVIVING_FAULT, name), getattr(FAULT, name)) for name in SURVIVING_FAULT._fields if name != "dtc"
]


def _lock(s: Any, m: Floats, command: Any) -> tuple[int, int]:
    """Whether the sequence stopped itself and waits for a person, and why; also while it still opens."""
    if s["state"] == STATE_FAULT and m[SEQ.own_fault] == 1.0:
        return int(command["acknowledge_count"] <= m[SEQ.acknowledged]), int(s["state_reason"])
    if s["state"] == STATE_OPENING and m[SEQ.after] == STATE_FAULT and m[SEQ.why] != HOLD_FAULT:
        return 1, int(m[SEQ.why])
    return 0, 0


@dataclass
class RestoreReport:
    """What became of the state of an earlier run.

    `restored`: a copy was taken (its SOC may be refused all the same: `soc_restored`). `what` and `refused` are
    sentences. The next record has a higher number than `sequence`.
    `was_closed`: contactors were closed, or on their way, when the copy was taken.
    """

    restored: bool = False
    soc_restored: bool = False
    what: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    sequence: int = 0
    was_closed: bool = False
    down_s: float = math.nan


def restore(
    candidates: Sequence[Candidate],
    bms: Bms,
    parameters: Parameters,
    raw: Raw,
    now_wall_s: float,
    boot: str,
    command: Any,
    pack: Pack,
) -> RestoreReport:
    """Give the newest whole copy back to a new BMS, before its first tick.

    Args:
        candidates: copies, in any order; nothing in them is trusted.
        bms: a new one; changed in place.
        parameters: those that it runs with.
        raw: the first complete samples, to check the SOC against; `raw.clock` is the time now.
        now_wall_s: wall time now.
        boot: id of this boot.
        command: of the first tick; its `acknowledge_count` is set.
        pack: from `pack_fingerprint`.
    """
    report = RestoreReport()
    best = _newest(candidates, bms.size, pack, report)
    if best is None:
        return report
    where, survived = best
    now_s = float(raw.clock[0]["time_s"])
    same_boot = survived.boot == boot_words(boot)
    wall_minus_monotonic_s = now_wall_s - now_s
    report.restored, report.sequence = True, survived.sequence
    command[0]["acknowledge_count"] = survived.acknowledge_count
    report.was_closed = survived.state in (STATE_PRECHARGE, STATE_CLOSING, STATE_CONNECTED, STATE_OPENING)
    down_s = max(now_wall_s - survived.wall_s, now_s - survived.time_s if same_boot else -math.inf)
    report.down_s = down_s
    if down_s < 0.0:
        report.what.append("the clock stands before the time of that state: it may be a month old")
        report.down_s = math.nan
        down_s = UNKNOWN_DOWN_S
    report.what.insert(0, f"state taken from {where}, {_told_age(report.down_s)}")
    # Times of another boot are carried over by wall time.
    shift_s = 0.0 if same_boot else survived.wall_s - survived.time_s - wall_minus_monotonic_s
    _restore_soc(survived, bms, parameters, raw, down_s, report)
    _restore_counters(survived, bms, report)
    _restore_faults(survived, bms, parameters, now_s, shift_s, report)
    _restore_sequence(survived, bms, parameters, now_s, down_s, report)
    return report


def _newest(
    candidates: Sequence[Candidate], size: Size, pack: Pack, report: RestoreReport
) -> tuple[str, Survived] | None:
    """The whole copy of this pack with the highest sequence number; the others are refused with their reasons."""
    found: list[tuple[str, Survived]] = []
    for where, data in candidates:
        survived = decode(data)
        if isinstance(survived, Refusal):
            report.refused.append(f"{where}: {survived.reason}")
        elif survived.pack[:2] != pack[:2] or survived.cells.shape[1] != size.cells:
            report.refused.append(f"{where}: state of another pack ('{survived.pack.name}')")
        else:
            found.append((where, survived))
    return max(found, key=lambda item: item[1].sequence, default=None)


def _told_age(down_s: float) -> str:
    if math.isnan(down_s):
        return "of unknown age"
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if down_s >= 2 * length:
            return f"{down_s / length:.0f} {unit} old"
    return f"{down_s:.1f} s old"


def grown_std(survived: Survived, parameters: Parameters, down_s: float) -> Floats:
    """Standard deviation of each SOC after a time in which nothing was measured, `[cell]`.

    Self-discharge and the pack's own supply; the rated current until the contactors opened; and in a pack whose
    contactors are not ours, a share of the rated current for all of the time.
    """
    p = parameters.scalars[0]
    rated_a = max(float(p["charge_current_max_a"]), float(p["discharge_current_max_a"]))
    capacity_ah = parameters.cells[CELLP.capacity_ah]
    flowed_ah = rated_a * min(down_s, RUN_ON_S) / 3600.0
    if p["has_contactors"] != 1:
        flowed_ah = math.hypot(flowed_ah, BLIND_SHARE * rated_a * down_s / 3600.0)
    std = np.nan_to_num(survived.cells[SURVIVING_CELL.soc_std], nan=1.0)
    grown = np.sqrt(std**2 + (SELF_DISCHARGE_PER_S * down_s) ** 2 + (flowed_ah / capacity_ah) ** 2)
    return np.asarray(np.minimum(grown, 1.0))


def _restore_soc(
    survived: Survived, bms: Bms, parameters: Parameters, raw: Raw, down_s: float, report: RestoreReport
) -> None:
    soc = survived.cells[SURVIVING_CELL.soc]
    known = np.isfinite(soc)
    if not known.any():
        report.what.append("no SOC was known then: it starts from the cell voltages")
        return
    std = grown_std(survived, parameters, down_s)
    doubt = _compare_with_rest(survived, parameters, raw, std, down_s, report)
    if doubt is not None:
        report.refused.append(f"SOC: {doubt}; it starts from the cell voltages")
        return
    preset = bms.memory.estimate.preset
    preset[PRESET.soc] = np.where(known, soc, np.nan)
    preset[PRESET.std] = np.where(known, std, np.nan)
    report.soc_restored = True
    report.what.append(
        f"SOC of {known.sum()} cells, {100 * np.nanmin(soc):.1f} to {100 * np.nanmax(soc):.1f} %, "
        f"known to ± {100 * np.max(std[known]):.2f} %"
    )


def _compare_with_rest(
    survived: Survived, parameters: Parameters, raw: Raw, std: Floats, down_s: float, report: RestoreReport
) -> str | None:
    """Why the kept SOC does not fit the voltages; None when it does, or when they say nothing."""
    current_a = _usable(raw.channels, parameters.channel_limits)[CHANNEL.current_a]
    if math.isnan(current_a):
        current_a = _usable(raw.channels, parameters.channel_limits)[CHANNEL.current_redundant_a]
    voltage_v = _usable(raw.cells, parameters.cell_limits)
    smallest_ah = float(parameters.cells[CELLP.capacity_ah].min())
    if math.isnan(current_a) or abs(current_a) > REST_SHARE_PER_H * smallest_ah or np.isnan(voltage_v).all():
        report.what.append("the SOC could not be compared with rest voltages: they, or a small current, are not there")
        return None
    temperature_c = cell_temperatures(parameters, raw)
    # What had not relaxed then has had `down_s` since; the slowest pair of the table is assumed.
    slowest_s = float(parameters.table[..., 6].max())
    left_v = survived.cells[SURVIVING_CELL.polarisation_v] * math.exp(-down_s / max(slowest_s, 1.0))
    window = soc_window(
        parameters.table, voltage_v, temperature_c, current_a, parameters.cells[CELLP.resistance_factor], left_v,
        float(parameters.scalars[0]["voltage_noise_v"]),
    )  # fmt: skip
    return check_against_rest(survived.cells[SURVIVING_CELL.soc], std, window, voltage_v, temperature_c)


def _usable(block: Floats, limits: Floats) -> Floats:
    """Values of fitted sensors within their range, NaN elsewhere."""
    value = block[RAW.value]
    with np.errstate(invalid="ignore"):
        sound = (limits[MEASURE.fitted] > 0.0) & (value >= limits[MEASURE.minimum]) & (value <= limits[MEASURE.maximum])
    return np.where(sound, value, np.nan)


def cell_temperatures(parameters: Parameters, raw: Raw) -> Floats:
    """Temperature of each cell from the sensors beside it, `[cell]`; the mean of all where those say nothing."""
    sensors = _usable(raw.temperatures, parameters.sensor_limits)
    known = sensors[np.isfinite(sensors)]
    mean_c = float(known.mean()) if len(known) else math.nan
    if len(sensors) == 0:
        return np.full(parameters.cells.shape[1], mean_c)
    a, b = (sensors[parameters.cells[row].astype(np.int64)] for row in (CELLP.sensor_a, CELLP.sensor_b))
    weight = parameters.cells[CELLP.weight_b]
    beside = np.where(weight > 0.0, (1.0 - weight) * a + weight * b, a)
    return np.where(np.isnan(beside), mean_c, beside)


def _restore_counters(survived: Survived, bms: Bms, report: RestoreReport) -> None:
    s = bms.image.scalars[0]
    s["charge_throughput_ah"] = survived.charge_throughput_ah
    s["discharge_throughput_ah"] = survived.discharge_throughput_ah
    s["contactor_wear_positive"] = survived.contactor_wear_positive
    s["contactor_wear_negative"] = survived.contactor_wear_negative
    report.what.append(
        f"charge counters: {survived.charge_throughput_ah:.1f} Ah in, {survived.discharge_throughput_ah:.1f} Ah out"
    )


def _restore_faults(
    survived: Survived, bms: Bms, parameters: Parameters, now_s: float, shift_s: float, report: RestoreReport
) -> None:
    """Latched levels, counts and times, by trouble code: the catalogue may have been another one.

    A restart is no way around a cool-down or a lock-out: it begins anew, with no retry left.
    """
    numbers = {fault.dtc: n for n, fault in enumerate(FAULTS)}
    faults, latched = bms.image.faults, []
    for column in survived.faults.T:
        level, count = column[SURVIVING_FAULT.latched_level], column[SURVIVING_FAULT.count]
        number = numbers.get(int(column[SURVIVING_FAULT.dtc])) if np.isfinite(column[SURVIVING_FAULT.dtc]) else None
        if number is None:
            if level > LEVEL_NONE:
                report.refused.append(
                    f"a latched fault with trouble code {int(column[SURVIVING_FAULT.dtc]):#08x}, which this Ionward "
                    "does not know: look it up in the version that ran before"
                )
            continue
        faults[FAULT.latched_level, number] = level
        faults[FAULT.count, number] = count
        faults[FAULT.since_s, number] = column[SURVIVING_FAULT.since_s] + shift_s
        if level > LEVEL_NONE:
            latched.append(f"{FAULTS[number].name} ({LEVELS[int(level)]})")
            faults[FAULT.cools_s, number] = parameters.faults[FAULTP.cool_down_s, number]
            faults[FAULT.retries, number] = parameters.faults[FAULTP.retries, number]
            bms.memory.protect.progress[PROGRESS.retried_s, number] = now_s
    bms.image.scalars[0]["latched_faults"] = len(latched)
    if latched:
        report.what.append(f"latched, and waiting to be acknowledged: {', '.join(latched)}")


def _restore_sequence(
    survived: Survived, bms: Bms, parameters: Parameters, now_s: float, down_s: float, report: RestoreReport
) -> None:
    """Locks and the heat of the precharge resistor, cooled down by the time that has passed."""
    p, s, m = parameters.scalars[0], bms.image.scalars[0], bms.memory.sequence.fields
    pause_s = float(p["precharge_pause_s"])
    m[SEQ.heat_j] = survived.resistor_j * (math.exp(-down_s / pause_s) if pause_s > 0.0 else 1.0)
    left_s = survived.resume_s - survived.time_s - down_s
    if left_s > 0.0:
        m[SEQ.resume_s] = now_s + min(left_s, max(pause_s, 0.0))
        report.what.append(f"no precharge for another {m[SEQ.resume_s] - now_s:.0f} s: the resistor cools down")
    s["precharge_tries"] = survived.precharge_tries
    bms.memory.protect.state["failed_tries"] = survived.failed_tries
    if survived.locked and p["has_contactors"] == 1:
        s["state"], s["state_reason"], s["state_since_s"] = STATE_FAULT, survived.lock_reason, now_s
        m[SEQ.own_fault], m[SEQ.acknowledged] = 1.0, survived.acknowledge_count
        report.what.append(f"stopped, and waiting to be acknowledged: {SEQUENCE_REASONS[survived.lock_reason]}")
