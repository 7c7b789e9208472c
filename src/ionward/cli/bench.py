"""`ionward bench`: performance figures of this machine beside their references, all measured in one run."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import ionward
from ionward.errors import UserError

Figures = dict[str, float | None]

# Part -> the file in `bench/` whose `figures()` measures it.
PARTS = ("ekf", "tick", "twin", "history")
REACTION, FAILURES, PEERS = "reaction", "failures", "peers"
ALONE = (REACTION, FAILURES, PEERS)

MEANING = {
    "ekf_ns_per_cell_96": ("EKF step, 96 cells", "ns per cell"),
    "ekf_ns_per_cell_400": ("EKF step, 400 cells", "ns per cell"),
    "ekf_ns_per_cell_4000": ("EKF step, 4,000 cells", "ns per cell"),
    "ekf_vs_gcc_400": ("… time against an equal C loop, gcc -O3", "x"),
    "ekf_vs_numpy_400": ("… time against vectorised NumPy", "x"),
    "ekf_vs_filterpy": ("… time against filterpy", "x"),
    "tick_us_400": ("Whole tick, 400 cells", "µs"),
    "tick_us_400_estimating": ("… when it estimates in every tick", "µs"),
    "tick_us_10000": ("Whole tick, 10,000 cells", "µs"),
    "tick_us_10000_estimating": ("… when it estimates in every tick", "µs"),
    "protect_us_400": ("Protection alone, 400 cells", "µs"),
    "numpy_limits_us_400": ("… NumPy's two comparisons of each cell", "µs"),
    "protect_us_4000": ("Protection alone, 4,000 cells", "µs"),
    "numpy_limits_us_4000": ("… NumPy's two comparisons of each cell", "µs"),
    "warm_start_s": ("Start of a process to its first tick", "s"),
    "twin_ns_per_cell_step": ("Simulated battery, 96 cells", "ns per cell and step"),
    "twin_ns_per_cell_step_400": ("Simulated battery, 400 cells", "ns per cell and step"),
    "twin_vs_pybamm": ("… time against PyBaMM's Thevenin model", "x"),
    "closed_loop_x_realtime_96": ("BMS and battery in closed loop, 96 cells at 10 ms", "x real time"),
    "history_convert_s_per_hour": ("History: converting an hour of the EV example", "s"),
    "history_convert_cpu_s_per_hour": ("… its CPU time", "s"),
    "history_signals": ("… signals kept", ""),
    "history_real_hour_kb": ("… size of the hour, seconds", "kB"),
    "history_bytes_per_signal_and_second": ("… for each signal and second", "B"),
    "history_gb_per_year": ("History of a year at 1 s", "GB"),
    "history_query_10min_cell_voltage_p50_ms": ("500 points of a cell voltage, 10 minutes, median", "ms"),
    "history_query_1day_cell_voltage_p50_ms": ("… of a day", "ms"),
    "history_query_1month_cell_voltage_p50_ms": ("… of a month", "ms"),
    "history_query_1year_cell_voltage_p50_ms": ("… of a year", "ms"),
}


def load_benchmark(part: str) -> Any:
    """The module `bench/<part>.py` of the source tree.

    Raises:
        UserError: there is no source tree.
    """
    path = Path(ionward.__file__).parents[2] / "bench" / f"{part}.py"
    spec = importlib.util.spec_from_file_location(f"ionward_bench_{part}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UserError(
            f"benchmark '{part}' not found: benchmarks come with the source tree, run this in a clone of it"
        )
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # cached compiled code looks for the module that it came from
    spec.loader.exec_module(module)
    return module


def bench(
    parts: Annotated[
        list[str] | None,
        typer.Argument(help=f"Which parts: {', '.join(PARTS)} (all if left out), or one of {', '.join(ALONE)}."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    cycle_ms: Annotated[float | None, typer.Option(help="Of these two: the cycle, 1 or 10 (default).")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="Of `reaction`: how long (default 30).")] = None,
    faults: Annotated[bool, typer.Option("--faults", help="Of `reaction`: ten faults in turn.")] = False,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Of `failures` and `peers`: trials of each (default 50).")
    ] = None,
    system: Annotated[Path | None, typer.Option(help="Of these two: system file (default: the EV example).")] = None,
) -> None:
    """Measure how fast this machine runs the BMS, beside named references in the same run.

    Three more measure real processes, each by itself: `reaction` from a raw overcurrent sample (with --faults: from
    those of ten faults in turn) to the contactor output, `failures` from the death or freezing of control or guard to
    open contacts, `peers` from the loss of one of three units to the others' going on without it.
    """
    chosen = parts or list(PARTS)
    if chosen == [REACTION]:
        from ionward.cli.reaction import bench_reaction

        bench_reaction(system, cycle_ms if cycle_ms is not None else 10.0, seconds or 30.0, as_json, faults)
        return
    if chosen == [FAILURES]:
        from ionward.cli.reaction import bench_failures

        bench_failures(system, cycle_ms if cycle_ms is not None else 10.0, trials or 50, as_json)
        return
    if chosen == [PEERS] and cycle_ms is None and seconds is None and system is None and not faults:
        from ionward.cli.peers_bench import bench_peers

        bench_peers(trials or 50, as_json)
        return
    if cycle_ms is not None or seconds is not None or system is not None or trials is not None or faults:
        raise UserError(f"--cycle-ms, --seconds, --faults, --trials and --system belong to {REACTION} and {FAILURES}")
    if unknown := [p for p in chosen if p not in PARTS]:
        also = f"; '{unknown[0]}' is measured by itself" if unknown[0] in ALONE else ""
        raise UserError(f"unknown benchmark '{unknown[0]}': choose from {', '.join(PARTS)}{also}")
    results: Figures = {}
    console = Console(stderr=True)
    for part in chosen:
        with console.status(f"measuring {part} …"):
            results.update(load_benchmark(part).figures())
    if as_json:
        typer.echo(json.dumps(results))
        return
    table = Table(title="Performance on this machine (references in the same run)")
    table.add_column("What")
    table.add_column("Figure", justify="right")
    table.add_column("Unit")
    for key, value in results.items():
        name, unit = MEANING.get(key, (key, ""))
        table.add_row(name, "not available here" if value is None else f"{value:,.3g}", unit)
    Console().print(table)
