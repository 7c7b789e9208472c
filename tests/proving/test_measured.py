"""The complete BMS on measured captures: right where it can know, and plain about what it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.recordings import PACK, small_system
from ionward.battery.system import System, load_system
from ionward.hardware.captures import Captures, read_captures
from ionward.image.build import system_size
from ionward.proving.measured import MeasuredResult, observed, run_measured, slow_period_s
from ionward.proving.measured_story import infer_connection
from ionward.runtime.export import read_samples
from ionward.runtime.replay import replay

CELLS = ",".join(f"cell{k}_v" for k in range(1, 6))


@pytest.fixture
def system(tmp_path: Path) -> System:
    return small_system(tmp_path)


def read(system: System, *paths: Path) -> Captures:
    return read_captures(paths, system, system_size(system))


def pack_rows(ticks: int, current: list[float] | None = None, start: float = 0.0) -> str:
    """A pack of five cells at 3.7 V, every 10 ms."""
    amps = current or [0.0] * ticks
    rows = (f"{start + k / 100:.2f},{a},{18.5 + 0.01 * a:.3f},{25}\n" for k, a in enumerate(amps))
    return "time_s,current_a,voltage_v,temperature_c\n" + "".join(rows)


def cell_rows(ticks: int, every: int = 10) -> str:
    rows = (f"{k / 100:.2f}," + ",".join(f"{3.7 + 0.001 * c:.3f}" for c in range(5)) + "\n"
            for k in range(0, ticks, every))  # fmt: skip
    return f"time_s,{CELLS}\n" + "".join(rows)


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def told(result: MeasuredResult, text: str) -> bool:
    return any(text in line for line in result.unknown)


def test_a_whole_capture_is_understood(system: System, tmp_path: Path) -> None:
    a, b = write(tmp_path, "a.csv", pack_rows(300)), write(tmp_path, "b.csv", cell_rows(300))
    result = run_measured(system, read(system, a, b))
    assert (result.ticks, result.simulated_s) == (300, 2.99)
    assert result.final_state == "connected"
    assert result.events == []
    assert 0.3 < result.soc_end < 0.9
    assert result.seen["cells"] == pytest.approx(1, abs=0.02)
    values = json.loads(json.dumps(result.as_json()))
    assert {"ticks", "simulated_s", "wall_s", "final_state", "contactors_closed", "events", "digest",
            "expectations_failed", "unknown"} <= set(values)  # fmt: skip


def test_sensors_that_the_capture_lacks_raise_no_fault_and_are_named(system: System, tmp_path: Path) -> None:
    result = run_measured(system, read(system, write(tmp_path, "a.csv", pack_rows(2000))))
    assert result.events == []
    assert told(result, "cell voltages: none of 5")
    assert told(result, "SOC: unknown, no cell voltage")
    assert told(result, "bus_voltage_v")
    assert told(result, "measurements not complete")
    assert result.as_json()["soc_end"] is None


def test_some_missing_cells_are_not_fitted(system: System, tmp_path: Path) -> None:
    b = write(tmp_path, "b.csv", cell_rows(600).replace("cell5_v", "other"))
    result = run_measured(system, read(system, write(tmp_path, "a.csv", pack_rows(600)), b))
    assert told(result, "1 of 5 are not in the captures")
    assert not any("cell_voltage_lost" in e["fault"] for e in result.events)


def test_real_faults_in_a_capture_are_found(system: System, tmp_path: Path) -> None:
    text = cell_rows(600).replace("3.702", "4.500")
    b = write(tmp_path, "b.csv", text)
    result = run_measured(system, read(system, write(tmp_path, "a.csv", pack_rows(600)), b))
    found = {(e["fault"], e["level"], e["place"]) for e in result.events}
    assert ("cell_overvoltage", "critical", 2) in found
    assert result.final_state == "fault"


def test_a_polled_cell_is_known_only_while_its_sample_counts(system: System, tmp_path: Path) -> None:
    a, b = write(tmp_path, "a.csv", pack_rows(1200)), write(tmp_path, "b.csv", cell_rows(1200, 400))
    record = tmp_path / "a.rec"
    result = run_measured(system, read(system, a, b), record=record)
    assert result.seen["cells"] < 0.5
    assert told(result, "cell voltages come every 4 s (3 times)")
    samples = read_samples(record, ("cell_voltage_v[0]", "cell_age_s[0]", "raw.cell_voltage_v[0]"), 0.0)
    limit_s = system.sensors.cell_voltage.age_max_s
    age = np.mod(samples.time_s, 4.0)
    assert samples["cell_age_s[0]"] == pytest.approx(age, abs=1e-9)
    known = np.isfinite(samples["cell_voltage_v[0]"])
    assert (known == (age <= limit_s + 1e-9)).mean() > 0.99
    assert (samples["raw.cell_voltage_v[0]"] == 3.7).all()


def test_a_measured_run_is_recorded_and_replays_bit_by_bit(system: System, tmp_path: Path) -> None:
    a, b = write(tmp_path, "a.csv", pack_rows(500)), write(tmp_path, "b.csv", cell_rows(500).replace("cell5_v", "x"))
    result = run_measured(system, read(system, a, b), record=tmp_path / "a.rec")
    again = replay(tmp_path / "a.rec")
    assert again.agrees, again.lines()
    assert (again.digest, again.ticks) == (result.digest, result.ticks)


def test_the_same_capture_gives_the_same_digest(system: System, tmp_path: Path) -> None:
    a = write(tmp_path, "a.csv", pack_rows(100))
    first, second = (run_measured(system, read(system, a)).digest for _ in range(2))
    assert first == second
    assert run_measured(system, read(system, a), duration_s=0.5).ticks == 51


def test_another_controllers_contactors_are_not_ours(system: System, tmp_path: Path) -> None:
    changed, notes = observed(system, read(system, write(tmp_path, "a.csv", pack_rows(10))))
    assert system.contactors.fitted
    assert not changed.contactors.fitted
    assert any("another controller" in n for n in notes)


def test_closing_is_inferred_from_a_precharge_pulse(system: System, tmp_path: Path) -> None:
    pulse = [0.0] * 50 + [-4.0 * np.exp(-k / 5) for k in range(30)] + [0.0] * 30 + [-20.0] * 40
    found = infer_connection(read(system, write(tmp_path, "c.csv", pack_rows(0, [round(a, 1) for a in pulse]))), system)
    assert found.inferred
    assert found.closed_at_end
    assert found.precharge_s == pytest.approx((0.49, 0.7), abs=0.1)
    assert found.closed_s == pytest.approx(1.10)
    assert found.link_capacitance_f == pytest.approx(4 * 0.05 / 18.5, rel=0.2)


@pytest.mark.parametrize(
    ("current", "closed", "text"),
    [
        ([0.0] * 100, False, "no current flowed"),
        ([-20.0] * 100, True, "before the capture began"),
        ([0.0] * 50 + [-20.0] * 50, True, "closed by then"),
        ([0.0] * 50 + [-4.0] * 10 + [0.0] * 40, False, "closing is not seen"),
    ],
)
def test_what_the_current_tells(system: System, tmp_path: Path, current: list[float], closed: bool, text: str) -> None:
    found = infer_connection(read(system, write(tmp_path, "c.csv", pack_rows(0, current))), system)
    assert found.closed_at_end is closed
    assert text in found.text


def test_feedback_and_bus_tell_more_than_the_current(system: System, tmp_path: Path) -> None:
    rows = "".join(f"{k / 10},{0},18.5,{18.4 if k >= 5 else 0},{int(k >= 4)},{int(k >= 3)}\n" for k in range(10))
    header = "time_s,current_a,voltage_v,bus_voltage_v,main_positive_closed,main_negative_closed\n"
    found = infer_connection(read(system, write(tmp_path, "c.csv", header + rows)), system)
    assert not found.inferred
    assert found.closed_s == pytest.approx(0.4)
    header = "time_s,current_a,voltage_v,bus_voltage_v,x,y\n"
    found = infer_connection(read(system, write(tmp_path, "d.csv", header + rows)), system)
    assert found.inferred
    assert found.closed_s == pytest.approx(0.5)


def test_the_slow_period_of_a_logger_is_weighted_by_time() -> None:
    fast_then_slow = np.concatenate((np.arange(0, 100, 0.1), np.arange(100, 10000, 30.0)))
    assert slow_period_s(fast_then_slow) == pytest.approx(30)


def test_a_bench_logs_own_rate_counts(tmp_path: Path) -> None:
    text = PACK.replace('profile = "home"', 'profile = "bench"').replace("cells_per_module = 5", "cells_per_module = 1")
    text = text.replace("cells_in_parallel = 4", "cells_in_parallel = 1")
    bench = small_system(tmp_path, text)
    rows = "".join(f"{10 * k},0,3.7,25\n" for k in range(60))
    log = write(tmp_path, "log.csv", "time_s,current_a,voltage_v,temperature_c\n" + rows)
    result = run_measured(bench, read(bench, log))
    assert result.events == []
    assert result.final_state == "connected"
    assert any("counts for 20 s" in note for note in result.notes)


@pytest.fixture
def leaf(examples: Path) -> System:
    return load_system(examples / "leaf-96s.toml")


@pytest.mark.data
def test_leaf_drive_cells_agree_with_the_pack_and_soc_with_the_cars(leaf: System, data: Path, tmp_path: Path) -> None:
    logs = data / "ev_can_logs"
    captures = read(leaf, logs / "leaf_62kwh_eplus2_decoded.parquet", logs / "leaf_62kwh_eplus2_cells.parquet")
    result = run_measured(leaf, captures, record=tmp_path / "a.rec")
    assert result.events == []
    assert told(result, "cell temperatures")
    assert told(result, "before the capture began")
    # The car's own controller says 93 %; ours starts from cells under 450 A, with the model of another cell.
    assert result.comparison is not None
    assert abs(result.comparison.column_end - result.soc_end) < 2 * result.soc_std_end
    samples = read_samples(
        tmp_path / "a.rec", ("cell_voltage_sum_v", "pack_voltage_v", "current_a", "cell_age_s[0]"), 0.0
    )
    assert samples["current_a"].min() == -482.5
    fresh = (samples["cell_age_s[0]"] < 0.02) & (samples.time_s > 11)  # the current stands still in these two polls
    assert fresh.sum() >= 2
    assert np.abs(samples["cell_voltage_sum_v"] - samples["pack_voltage_v"])[fresh].max() < 1.0


@pytest.mark.data
def test_leaf_start_up_shows_the_precharge(leaf: System, data: Path) -> None:
    result = run_measured(leaf, read(leaf, data / "ev_can_logs" / "leaf_62kwh_startup_decoded.parquet"))
    assert {e["level"] for e in result.events} <= {"info"}
    found = result.connection
    assert found.precharge_s == pytest.approx((0.91, 1.12), abs=0.02)
    assert 0.5e-3 < (found.link_capacitance_f or 0) < 2e-3
    assert found.closed_at_end
    assert told(result, "5 of 2173 rows")


@pytest.mark.data
def test_leaf_24_kwh_capture_raises_no_nonsense(leaf: System, data: Path) -> None:
    result = run_measured(leaf, read(leaf, data / "ev_can_logs" / "leaf_24kwh_ze0_stock_decoded.parquet"))
    assert {e["level"] for e in result.events} <= {"info", "none"}
    assert result.ticks == pytest.approx(7780, abs=2)


@pytest.mark.data
def test_a_single_cells_drive_cycle_runs_on_the_bench(examples: Path, data: Path) -> None:
    bench = load_system(examples / "bench-cell.toml")
    result = run_measured(bench, read(bench, data / "lg_hg2" / "25C_UDDS_551.parquet"), duration_s=3000)
    assert result.final_state == "connected"
    assert result.comparison is not None
    assert result.comparison.rmse < 0.02
