"""The history: time to make it from a recording, size of a year, time to ask for any zoom of a signal.

A real hour comes first: the EV example drives, stands and charges in the simulator, is recorded at 10 ms and taken into
a history. The year is made from that hour: hours that begin at random places of it, with another mean temperature and
SOC, in pieces of ten minutes as the recorder cuts them. Sizes and queries are those of real files.

`figures()` writes a day of seconds, twelve days of minutes and a year of hours; no query of 500 points touches more
files than these, and the size of a year is projected from them. `python bench/history.py --year` writes every file of
a year instead: 8,760 hours of seconds, 365 days, 12 months. It takes about half an hour and 5 GB.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ionward.battery.system import load_system
from ionward.proving.recording import RunRecorder
from ionward.proving.scenario import built_in_scenario
from ionward.proving.simulation import Simulation
from ionward.runtime import history_files as files
from ionward.runtime.history import convert
from ionward.runtime.history_columns import TIME
from ionward.runtime.history_query import query
from ionward.runtime.history_seconds import Seconds, SecondsReader, first_time_s, wall_offset_s
from ionward.runtime.history_tables import coarse_table, hour_row, seconds_table
from ionward.runtime.recording import Recording

PACK = Path(__file__).parents[1] / "examples" / "ev-96s.toml"
START_S = 1_767_225_600  # 2026-01-01
HOUR_S, DAY_S, DAYS = 3600, 86_400, 365
SEGMENT_S = 600
VARIANTS = 24  # no hour comes twice in a file of minutes
ZOOMS_S = {"10min": 600.0, "1day": 86_400.0, "1month": 30 * 86_400.0, "1year": 365 * 86_400.0}
ROUNDS = 20


def record_hour(path: Path) -> Path:
    """An hour of the EV example, recorded at its cycle."""
    system = load_system(PACK)
    simulation = Simulation(system, built_in_scenario("ev"), keep_traces=False)
    simulation.run(None, RunRecorder(path, simulation.system, "ev", 1))
    return path


def read_hour(path: Path) -> Seconds:
    """Its seconds, from the beginning of an hour of wall time on."""
    recording = Recording(path)
    first_s = first_time_s(recording)
    assert first_s is not None
    return next(SecondsReader(recording, wall_offset_s(recording, first_s, float(START_S))).read())


def variant(hour: Seconds, rng: np.random.Generator) -> Seconds:
    """Another hour like it: begun elsewhere, at another temperature and SOC."""
    shift = int(rng.integers(0, len(hour.second)))
    value, low, high = (np.roll(table, shift, axis=0) for table in (hour.value, hour.low, hour.high))
    warmer, fuller = rng.uniform(-15, 10), rng.uniform(-0.2, 0.03)
    for k, kept in enumerate(hour.signals):
        if kept.column.signal.unit == "°C":
            value[:, k] += warmer
        elif kept.name.startswith(("soc", "cell_soc")) and "std" not in kept.name:
            value[:, k] += fuller
    return replace(hour, value=value, low=low, high=high)


class Hour:
    """The tables of one hour, to be set to any time."""

    def __init__(self, hour: Seconds) -> None:
        cuts = [0, 217, *range(217 + SEGMENT_S, HOUR_S, SEGMENT_S), HOUR_S]
        pieces = [_part(hour, slice(a, b)) for a, b in pairwise(cuts)]
        self.seconds = pa.concat_tables([seconds_table(p, k + 1) for k, p in enumerate(pieces)]).combine_chunks()
        self.minutes = pa.concat_tables([coarse_table(p, k + 1, 60) for k, p in enumerate(pieces)]).combine_chunks()
        self.hour = hour_row(self.minutes, START_S)


def _part(hour: Seconds, rows: slice) -> Seconds:
    parts = (hour.second, hour.ticks, hour.value, hour.low, hour.high)
    return Seconds(hour.signals, *(part[rows] for part in parts))


def _other(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Hours with their last two digits drawn anew, so that none of a month is like another."""
    for k, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            numbers = table[field.name].cast(pa.float64()).to_numpy()
            digits = rng.uniform(-100.0, 100.0, len(numbers)) * 10.0**-field.type.scale
            data = np.rint((numbers + digits) * 10.0**field.type.scale).clip(-1e9 + 1, 1e9 - 1)
            table = table.set_column(k, field, _array(field.type, np.nan_to_num(data).astype(np.int32)))
    return table


def _array(kind: Any, data: Any) -> Any:
    return pa.Array.from_buffers(kind, len(data), [None, pa.py_buffer(data)])


def _at(table: pa.Table, hour: int) -> pa.Table:
    """A table moved by so many hours."""
    times: Any = pa.array(table[TIME].to_numpy() + np.timedelta64(hour, "h")).cast(table.schema.field(TIME).type)
    return table.set_column(0, TIME, times)


def make_year(root: Path, hours: list[Hour], with_seconds: range, with_minutes: range) -> None:
    """Files of a year: seconds of some hours, minutes of some days, all hours of the year."""
    rows, rng = [], np.random.default_rng(2)
    for day in range(DAYS):
        numbers = range(24 * day, 24 * day + 24)
        if day in with_minutes:
            save_parts(root, 60, START_S + day * DAY_S, [_at(hours[n % VARIANTS].minutes, n) for n in numbers])
        for n in numbers:
            rows.append(_at(hours[n % VARIANTS].hour, n))
            if n in with_seconds:
                table = _at(hours[n % VARIANTS].seconds, n)
                files.save(files.level_file(root, 1, START_S + n * HOUR_S), table,
                           files.seconds_encodings(table.column_names))  # fmt: skip
    for start_s in files.period_starts(HOUR_S, START_S, START_S + DAYS * DAY_S):
        month = [row for n, row in enumerate(rows)
                 if files.utc(START_S + n * HOUR_S).month == files.utc(start_s).month]  # fmt: skip
        save_parts(root, HOUR_S, start_s, [_other(pa.concat_tables(month).combine_chunks(), rng)])


def save_parts(root: Path, step_s: int, time_s: float, rows: list[pa.Table]) -> None:
    """Minutes or hours of one day or month into the files of their parts."""
    for part, table in files.parts(pa.concat_tables(rows).combine_chunks()).items():
        path = files.level_file(root, step_s, time_s, part)
        files.save(path, table, files.coarse_encodings(table.column_names))


def sizes(root: Path) -> dict[str, list[int]]:
    """Bytes of the files of each level."""
    return {name: [path.stat().st_size for path in paths] for name, paths in files.all_files(root).items()}


def query_ms(ask: Callable[[], Any]) -> float:
    """Time of one query."""
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1e3


def query_figures(root: Path, with_seconds: range, with_minutes: range) -> dict[str, float]:
    """p50 and the longest time of each zoom, at random places and cells; 500 points each."""
    rng = np.random.default_rng(1)
    out = {}
    query(root, "soc", START_S, START_S + 600.0)  # DuckDB is loaded, the files are in the cache of the machine
    for name, length_s in ZOOMS_S.items():
        places = with_seconds if length_s <= HOUR_S else with_minutes if length_s <= 10 * DAY_S else range(DAYS)
        unit_s = HOUR_S if length_s <= HOUR_S else DAY_S
        room_s = max(len(places) * unit_s - length_s, 0.0)
        for what in ("cell_voltage", "soc"):
            times = []
            for _ in range(ROUNDS):
                from_s = START_S + places.start * unit_s + rng.uniform(0.0, 1.0) * room_s
                signal = "soc" if what == "soc" else f"cell_voltage_v[{rng.integers(96)}]"
                times.append(query_ms(lambda s=signal, f=from_s, n=length_s: query(root, s, f, f + n, 500)))
            out[f"history_query_{name}_{what}_p50_ms"] = float(np.median(times))
            out[f"history_query_{name}_{what}_max_ms"] = float(max(times))
    # The most rows and files that a query of 500 points can touch: just before the next coarser level would do.
    for name, length_s in (("4h", 250 * 59.9), ("10days", 250 * 3599.0)):
        times = [query_ms(lambda n=length_s: query(root, "cell_voltage_v[17]", START_S + 1000.0, START_S + 1000.0 + n))
                 for _ in range(ROUNDS)]  # fmt: skip
        out[f"history_query_{name}_cell_voltage_max_ms"] = float(max(times))
    return out


def measure(root: Path, year: bool) -> dict[str, float]:
    """All figures, with files below `root`."""
    recording = record_hour(root / "hour.rec")
    seconds = read_hour(recording)  # compiles what is not compiled yet
    began, cpu = time.perf_counter(), time.process_time()
    convert(recording, root / "real", float(START_S))
    out = {
        "history_convert_s_per_hour": time.perf_counter() - began,
        "history_convert_cpu_s_per_hour": time.process_time() - cpu,
    }
    real = sizes(root / "real")
    values = len(seconds.second) * sum(kept.finest_s == 1 for kept in seconds.signals)
    out["history_signals"] = float(len(seconds.signals))
    out["history_real_hour_kb"] = real["seconds"][0] / 1e3
    out["history_bytes_per_signal_and_second"] = real["seconds"][0] / values
    rng = np.random.default_rng(0)
    hours = [Hour(variant(seconds, rng)) for _ in range(VARIANTS)]
    with_seconds = range(DAYS * 24) if year else range(VARIANTS)
    with_minutes = range(DAYS) if year else range(12)
    began = time.perf_counter()
    make_year(root / "year", hours, with_seconds, with_minutes)
    out["history_write_s"] = time.perf_counter() - began
    found = sizes(root / "year")
    per_year = {"seconds": 24.0 * DAYS / len(with_seconds), "minutes": float(DAYS) / len(with_minutes), "hours": 1.0}
    for name, factor in per_year.items():
        out[f"history_gb_per_year_{name}"] = sum(found[name]) * factor / 1e9
    out["history_gb_per_year"] = sum(out[f"history_gb_per_year_{name}"] for name in per_year)
    return out | query_figures(root / "year", with_seconds, with_minutes)


def figures() -> dict[str, float | None]:
    with tempfile.TemporaryDirectory(prefix="ionward-history-") as folder:
        return dict(measure(Path(folder), year=False))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--year", action="store_true", help="write every file of a year")
    parser.add_argument("--folder", type=Path, help="keep the files here")
    given = parser.parse_args()
    if given.folder:
        print(json.dumps(measure(given.folder, given.year), indent=1))
    else:
        with tempfile.TemporaryDirectory(prefix="ionward-history-") as made:
            print(json.dumps(measure(Path(made), given.year), indent=1))
