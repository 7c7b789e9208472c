"""Charts that reach back into files and forward into memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ionward.dashboard.past import Past, joined
from ionward.dashboard.trail import PERIOD_S, Trail
from ionward.image.inputs import new_raw
from ionward.image.layout import Size, new_image

SIZE = Size(8, 2, 1)


def remembered(count: int = 10) -> Trail:
    trail, image = Trail(SIZE), new_image(SIZE)
    for n in range(count):
        image.scalars["soc"] = 0.5 + n / 100
        trail.keep(1000.0 + n * PERIOD_S, image, new_raw(8, 2))
    return trail


def files(times_s: list[float], values: list[float | None]) -> dict[str, dict[str, list[float | None]]]:
    return {"soc": {"time_s": times_s, "values": values, "low": values, "high": values}}


def test_memory_goes_on_where_files_end() -> None:
    memory = remembered().window(["soc"], 0.0, 100)
    series = joined(files([900.0, 960.0, 1000.4], [0.3, 0.4, 0.45]), memory, 2000.0)["soc"]
    assert series["time_s"][:3] == [900.0, 960.0, 1000.4]
    assert series["time_s"][3] == 1000.6
    assert series["values"][-1] == 0.59
    assert len({len(column) for column in series.values()}) == 1
    assert series["time_s"] == sorted(series["time_s"])


def test_stretches_without_rows_at_the_end_give_way_to_memory() -> None:
    memory = remembered().window(["soc"], 0.0, 100)
    series = joined(files([900.0, 960.0, 1000.9, 1060.0], [0.3, 0.4, None, None]), memory, 2000.0)["soc"]
    assert series["time_s"][2] == 1000.0
    assert None not in series["values"]
    early = joined(files([900.0], [0.3]), memory, 1000.5)["soc"]
    assert early["time_s"] == [900.0, 1000.0, 1000.2, 1000.4]


def test_a_signal_that_files_do_not_keep_comes_from_memory() -> None:
    series = joined({}, remembered().window(["soc"], 0.0, 100), 2000.0)["soc"]
    assert len(series["values"]) == 10


def test_without_history_there_is_memory(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "none"):
        answer = asyncio.run(Past(folder, remembered()).ask(["soc", "no such"], 0.0, 2000.0, 100))
        assert answer["source"] == "memory"
        assert list(answer["series"]) == ["soc"]
        assert answer["problems"] == []


def test_an_empty_history_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "hour").mkdir()
    answer = asyncio.run(Past(tmp_path, remembered()).ask(["soc", "current_a"], 900.0, 2000.0, 100))
    assert answer["source"] == "memory"
    assert len(answer["problems"]) == 1
    assert "history is empty" in answer["problems"][0]
    assert str(tmp_path) not in answer["problems"][0]
