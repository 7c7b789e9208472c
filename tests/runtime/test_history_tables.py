"""What is stored of a second, a minute and an hour, and how exactly it comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ionward.image.layout import Size
from ionward.runtime import history_files as files
from ionward.runtime.history_columns import TICKS, kept_signals
from ionward.runtime.history_query import query
from ionward.runtime.history_seconds import Seconds
from ionward.runtime.history_tables import coarse_table, hour_row, seconds_table

SIZE = Size(2, 1, 1)
SIGNALS = kept_signals(SIZE)
PLACE = {kept.name: k for k, kept in enumerate(SIGNALS)}
SPREAD = [k for k, kept in enumerate(SIGNALS) if kept.kind == "spread"]
HOUR = 1_780_056_000
VOLTAGE, SOC, TEMPERATURE = PLACE["cell_voltage_v[1]"], PLACE["cell_soc[1]"], PLACE["cell_temperature_c[0]"]

Array = npt.NDArray[np.float64]


def seconds_of(value: Array, rows: int, start: int = HOUR, ticks: int = 100) -> Seconds:
    """Seconds in which every signal has the values `[row]`, with extremes a little beside them."""
    table = np.repeat(value[:, None], len(SIGNALS), axis=1)
    spread = table[:, SPREAD]
    second = start + np.arange(rows)
    return Seconds(SIGNALS, second, np.full(rows, ticks), table, spread - 0.00123, spread + 0.0257)


def stored(root: Path, seconds: Seconds) -> None:
    """The level of seconds in its file."""
    table = seconds_table(seconds, 7)
    files.save(files.level_file(root, 1, HOUR), table, files.seconds_encodings(table.column_names))


NUMBERS = hnp.arrays(
    np.float64, st.integers(1, 12), elements=st.one_of(st.floats(-40.0, 60.0), st.just(float("nan")), st.just(1e12))
)


@settings(max_examples=15)
@given(NUMBERS)
def test_every_value_comes_back_within_its_resolution(tmp_path_factory: object, value: Array) -> None:
    root = tmp_path_factory.mktemp("h")  # type: ignore[attr-defined]
    rows = len(value)
    seconds = seconds_of(value, rows)
    stored(root, seconds)
    for name in ("cell_voltage_v[1]", "cell_soc[1]", "cell_temperature_c[0]", "current_a", "soc", "ambient_c"):
        kept = SIGNALS[PLACE[name]]
        found = query(root, name, HOUR, HOUR + rows, rows)
        error = (0.5 + kept.hold + 1e-6) * 10.0**-kept.digits
        largest = (10**9 - 1) * 10.0**-kept.digits
        expected = np.clip(value, -largest, largest)
        assert np.array_equal(np.isnan(found.mean), np.isnan(value))
        usual = np.abs(value) < 1e6
        assert (np.abs(found.mean - expected)[usual] <= error).all()
        if kept.kind == "spread":
            # The band never hides anything, and is wider by less than one of its digits.
            digit = 10.0**-kept.band_digits
            low, high = seconds.low[:, SPREAD.index(PLACE[name])], seconds.high[:, SPREAD.index(PLACE[name])]
            assert (found.minimum[usual] <= low[usual] + 1e-7).all()
            assert (found.minimum[usual] > low[usual] - digit - 1e-7).all()
            assert (found.maximum[usual] >= high[usual] - 1e-7).all()
            assert (found.maximum[usual] < high[usual] + digit + 1e-7).all()
        if name == "soc":
            assert (found.mean[np.isfinite(value) & ~usual] == 9999.99999).all()


def test_minutes_and_hours_hold_weighted_means_extremes_last_and_worst_values() -> None:
    value = np.concatenate([np.full(60, 1.0), np.full(30, 4.0)])
    seconds = seconds_of(value, 90)
    seconds.ticks[60:] = 50
    seconds.value[10, PLACE["fault.crash.level"]] = 4.0
    seconds.value[20, PLACE["cell_balancing[0]"]] = 0.0
    seconds.value[:5, PLACE["soc"]] = np.nan
    minutes = coarse_table(seconds, 7, 60)
    assert minutes[TICKS].to_pylist() == [6000, 1500]
    hour = hour_row(minutes, HOUR)
    assert hour[TICKS].to_pylist() == [7500]

    def at(table: object, name: str) -> list[float]:
        return [float(v) for v in table[name].to_pylist()]  # type: ignore[index]

    assert at(minutes, "cell_voltage_v[0]") == [1.0, 4.0]
    assert at(hour, "cell_voltage_v[0]") == [1.6]  # (6000 · 1 + 1500 · 4) / 7500
    assert at(hour, "cell_voltage_v[0].min") == [0.9988]
    assert at(hour, "cell_voltage_v[0].max") == [4.0257]
    assert at(minutes, "soc") == [1.0, 4.0]
    assert at(hour, "state") == [4.0]
    assert at(hour, "state.min") == [1.0]
    assert at(minutes, "fault.crash.level") == [4.0, 4.0]
    assert at(hour, "fault.crash.level") == [4.0]
    assert at(minutes, "cell_balancing[0]")[0] == 0.98  # the share of time
    assert "cell_soh[0]" not in seconds_table(seconds, 7).column_names
    assert at(hour, "cell_soh[0]") == [1.6]


def test_a_file_of_seconds_can_be_read_without_ionward(tmp_path: Path) -> None:
    """As `docs/history.md` shows: DuckDB alone, decimals, and the difference from the column that the name tells."""
    import duckdb

    seconds = seconds_of(np.array([3.7, 3.8]), 2)
    seconds.value[:, PLACE["cell_voltage_mean_v"]] = 3.75
    stored(tmp_path, seconds)
    rows = duckdb.sql(
        f"""SELECT time, "cell_voltage_mean_v" + "cell_voltage_v[1] - cell_voltage_mean_v" AS v, state
            FROM '{files.level_file(tmp_path, 1, HOUR)}'"""
    ).fetchall()
    assert [(str(time), float(v), state) for time, v, state in rows] == [
        ("2026-05-29 12:00:00", 3.7, 4), ("2026-05-29 12:00:01", 3.8, 4),
    ]  # fmt: skip
