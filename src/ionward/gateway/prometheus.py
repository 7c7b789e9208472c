"""Metrics in the text format of Prometheus (0.0.4): names with units, one HELP and TYPE line each.

What is not known is left out rather than told as zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ionward.image.signals import LEVELS, STATES

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "ionward_"

Labels = dict[str, str]
Sample = tuple[Labels, Any]

# Metric, what it is, and the value of `state` that it takes.
FROM_STATE = (
    ("soc_ratio", "State of charge of the pack, 0 to 1.", "soc"),
    ("soc_std_ratio", "Standard deviation of the state of charge.", "soc_std"),
    ("soh_ratio", "State of health, 0 to 1.", "soh"),
    ("remaining_energy_watthours", "Energy that can still be taken out.", "remaining_energy_wh"),
    ("pack_voltage_volts", "Voltage at the battery side of the contactors.", "pack_voltage_v"),
    ("bus_voltage_volts", "Voltage at the load side of the contactors.", "bus_voltage_v"),
    ("current_amperes", "Pack current, positive when charging.", "current_a"),
    ("power_watts", "Pack power, positive when charging.", "power_w"),
    ("cell_voltage_difference_volts", "Highest less lowest cell voltage.", "cell_voltage_difference_v"),
    ("insulation_ohms", "Insulation resistance to chassis.", "insulation_ohm"),
    ("balancing_cells", "Cells that are bled now.", "balancing_cells"),
    ("balancing_heat_watts", "Heat of all balancing resistors.", "balancing_heat_w"),
    ("latched_faults", "Faults that wait to be acknowledged.", "latched_faults"),
    ("masked_faults", "Faults that a mask holds at level info: nothing reacts to them.", "masked_faults"),
    ("image_age_seconds", "Age of what control has published last.", "image_age_s"),
    ("driver_age_seconds", "Age of what the driver has published last.", "driver_age_s"),
    ("guard_age_seconds", "Age of what the guard has published last.", "guard_age_s"),
    ("uptime_seconds", "Since the BMS was started.", "uptime_s"),
)
PER_PROCESS = (
    ("process_up", "gauge", "1 while the process is there.", "alive"),
    ("process_age_seconds", "gauge", "Since the process's last cycle.", "age_s"),
    ("process_cpu_seconds_total", "counter", "CPU time of the process.", "cpu_s"),
    ("process_resident_mebibytes", "gauge", "Memory of the process.", "rss_mib"),
    ("process_cycles_total", "counter", "Cycles since the process started.", "cycles"),
    ("process_skipped_cycles_total", "counter", "Cycles left out to catch up.", "skipped"),
)
PER_CELL = (
    ("cell_voltage_volts", "Cell voltage.", "voltage_v"),
    ("cell_temperature_celsius", "Cell temperature.", "temperature_c"),
    ("cell_soc_ratio", "State of charge of the cell.", "soc"),
    ("cell_balancing", "1 while the cell is bled.", "balancing"),
)


def exposition(
    state: dict[str, Any],
    processes: dict[str, dict[str, Any]],
    recorder: dict[str, Any],
    cells: dict[str, Any] | None = None,
) -> str:
    """All metrics from the views of `Live`; with `cells` also one sample for each cell."""
    parts = [_pack(state), _processes(processes), _recorder(recorder)]
    if cells is not None:
        parts.append(_cells(cells))
    return "".join(line for part in parts for line in part)


def _pack(state: dict[str, Any]) -> Iterator[str]:
    info = {"name": state["name"], "profile": state["profile"]}
    yield from _metric("info", "gauge", "The pack; always 1.", [(info, 1)])
    for name, what, key in FROM_STATE:
        yield from _metric(name, "gauge", what, [({}, state[key])])
    yield from _metric(
        "cell_voltage_extreme_volts", "gauge", "Lowest, mean and highest cell voltage.",
        [({"which": which}, state[f"cell_voltage_{which}_v"]) for which in ("min", "mean", "max")],
    )  # fmt: skip
    yield from _metric(
        "temperature_celsius", "gauge", "Lowest, mean and highest cell temperature.",
        [({"which": which}, state[f"temperature_{which}_c"]) for which in ("min", "mean", "max")],
    )  # fmt: skip
    yield from _metric(
        "throughput_amperehours_total", "counter", "Charge put in and taken out since the start.",
        [({"direction": way}, state[f"{way}_throughput_ah"]) for way in ("charge", "discharge")],
    )  # fmt: skip
    yield from _metric(
        "current_limit_amperes", "gauge", "Current limit, continuous, as a positive number.",
        [({"direction": way}, state["limits"][f"{way}_a"]) for way in ("charge", "discharge")],
    )  # fmt: skip
    yield from _metric(
        "state", "gauge", "1 for the state that the connection sequence is in.",
        [({"state": name}, state["state"] == name) for name in STATES],
    )  # fmt: skip
    yield from _metric(
        "contactor_closed", "gauge", "1 while the contactor is closed.",
        [({"contactor": name}, position == "closed") for name, position in state["contactors"].items()],
    )  # fmt: skip
    yield from _metric(
        "enable", "gauge", "1 while the enable is given, as the driver sees it.",
        [({"by": name}, given) for name, given in state["enables"].items()],
    )  # fmt: skip
    yield from _metric(
        "tripped", "gauge", "1 while the driver holds the contactors open.", [({}, state["trip"]["tripped"])]
    )
    yield from _metric(
        "trips_total", "counter", "Times the driver dropped the contactors.", [({}, state["trip"]["count"])]
    )
    yield from _metric(
        "faults", "gauge", "Faults present, by level.",
        [({"level": level}, sum(f["active"] and f["level"] == level for f in state["faults"])) for level in LEVELS[1:]],
    )  # fmt: skip
    yield from _metric(
        "fault", "gauge", "1 while the fault is present or latched.",
        [({"fault": f["id"], "level": f["level"]}, 1) for f in state["faults"]],
    )  # fmt: skip
    yield from _metric(
        "mask", "gauge", "1 while a mask holds its fault at level info.",
        [({name: m[name] for name in ("fault", "owner", "until", "reason")}, 1) for m in state["masks"]],
    )  # fmt: skip


def _processes(processes: dict[str, dict[str, Any]]) -> Iterator[str]:
    def samples(key: str) -> list[Sample]:
        return [({"process": role}, view.get(key)) for role, view in processes.items()]

    for name, kind, what, key in PER_PROCESS:
        yield from _metric(name, kind, what, samples(key))
    overruns: list[Sample] = []
    quantiles: list[Sample] = []
    for role, view in processes.items():
        overruns += [({"process": role, "cause": cause}, view[f"overruns_{cause}"]) for cause in ("own", "late")]
        for quantile, key in (("0.5", "p50"), ("0.99", "p99"), ("0.999", "p999"), ("1", "max")):
            value = view.get("cycle_us", {}).get(key)
            seconds = None if value is None else round(value * 1e-6, 9)
            quantiles.append(({"process": role, "quantile": quantile}, seconds))
    yield from _metric("process_overruns_total", "counter", "Cycles that were over too late, by cause.", overruns)
    yield from _metric("process_cycle_seconds", "gauge", "Quantiles of the cycle's duration.", quantiles)


def _recorder(recorder: dict[str, Any]) -> Iterator[str]:
    for name, kind, what, key in (
        ("recorder_ticks_total", "counter", "Ticks written.", "recorded_ticks"),
        ("recorder_dropped_ticks_total", "counter", "Ticks lost because the disk was slow or full.", "dropped_ticks"),
        ("recorder_written_bytes_total", "counter", "Bytes written.", "bytes_written"),
        ("recorder_disk_free_bytes", "gauge", "Free space where recordings are kept.", "disk_free_bytes"),
        ("recorder_disk_errors_total", "counter", "Failures to write.", "disk_errors"),
        ("state_copy_age_seconds", "gauge", "Age of the surviving state on disk.", "state_copy_age_s"),
    ):
        yield from _metric(name, kind, what, [({}, recorder.get(key))])


def _cells(cells: dict[str, Any]) -> Iterator[str]:
    for name, what, key in PER_CELL:
        yield from _metric(name, "gauge", what, [({"cell": str(k)}, value) for k, value in enumerate(cells[key])])


def _metric(name: str, kind: str, what: str, samples: Iterable[Sample]) -> Iterator[str]:
    """One metric with its samples; nothing at all where no value is known."""
    known = [(labels, value) for labels, value in samples if value is not None]
    if not known:
        return
    yield f"# HELP {PREFIX}{name} {what}\n# TYPE {PREFIX}{name} {kind}\n"
    for labels, value in known:
        number = int(value) if isinstance(value, bool | int) else repr(float(value))
        yield f"{PREFIX}{name}{_labels(labels)} {number}\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
