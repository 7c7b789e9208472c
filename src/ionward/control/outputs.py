"""All outputs as one row of numbers, for digests: what a recording and its replay must agree on."""

from __future__ import annotations

from ionward._compile import njit
from ionward.image.faults import FAULTS
from ionward.image.inputs import Array
from ionward.image.layout import Image, Size
from ionward.image.signals import CELL, FAULT

# Scalars of the image that leave the BMS: actuators, limits, state, protection's word, balancing and cooling.
OUTPUT_SCALARS = (
    "main_positive_close",
    "main_negative_close",
    "precharge_close",
    "pyrofuse_fire",
    "pump",
    "fan",
    "heater",
    "charge_limit_a",
    "discharge_limit_a",
    "charge_limit_pulse_a",
    "discharge_limit_pulse_a",
    "charge_limit_rule",
    "discharge_limit_rule",
    "charge_limit_place",
    "discharge_limit_place",
    "state",
    "state_reason",
    "precharge_tries",
    "fault_level",
    "open_request",
    "open_fault",
    "charge_allowed",
    "discharge_allowed",
    "latched_faults",
    "event_count",
    "soc",
    "soc_std",
    "estimate_ready",
    "remaining_energy_wh",
    "balancing_cells",
    "balancing_heat_w",
)


def output_size(size: Size) -> int:
    """Length of the row that `output_words` writes."""
    return len(OUTPUT_SCALARS) + 2 * size.cells + len(FAULTS)


@njit
def output_words(image: Image, out: Array) -> None:
    """Write all outputs into `out` `[output_size]`: the scalars above, SOC and bleeding of the cells, fault levels."""
    s = image.scalars[0]
    out[0] = s["main_positive_close"]
    out[1] = s["main_negative_close"]
    out[2] = s["precharge_close"]
    out[3] = s["pyrofuse_fire"]
    out[4] = s["pump"]
    out[5] = s["fan"]
    out[6] = s["heater"]
    out[7] = s["charge_limit_a"]
    out[8] = s["discharge_limit_a"]
    out[9] = s["charge_limit_pulse_a"]
    out[10] = s["discharge_limit_pulse_a"]
    out[11] = s["charge_limit_rule"]
    out[12] = s["discharge_limit_rule"]
    out[13] = s["charge_limit_place"]
    out[14] = s["discharge_limit_place"]
    out[15] = s["state"]
    out[16] = s["state_reason"]
    out[17] = s["precharge_tries"]
    out[18] = s["fault_level"]
    out[19] = s["open_request"]
    out[20] = s["open_fault"]
    out[21] = s["charge_allowed"]
    out[22] = s["discharge_allowed"]
    out[23] = s["latched_faults"]
    out[24] = s["event_count"]
    out[25] = s["soc"]
    out[26] = s["soc_std"]
    out[27] = s["estimate_ready"]
    out[28] = s["remaining_energy_wh"]
    out[29] = s["balancing_cells"]
    out[30] = s["balancing_heat_w"]
    at = len(OUTPUT_SCALARS)
    cells, faults = image.cells, image.faults
    count = cells.shape[1]
    for k in range(count):
        out[at + k] = cells[CELL.soc, k]
        out[at + count + k] = cells[CELL.balancing, k]
    at += 2 * count
    for f in range(faults.shape[1]):
        out[at + f] = faults[FAULT.level, f]
