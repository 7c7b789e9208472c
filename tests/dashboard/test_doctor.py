"""The machine's check-up on the screen: one process for all who ask, and words where it fails."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ionward.dashboard import doctor

FOUND = {
    "verdicts": [
        {"name": "ev at 10 ms", "profile": "ev", "verdict": "limited"},
        {"name": "home at 10 ms", "profile": "home", "verdict": "good"},
    ],
    "checks": [
        {"name": "timer", "verdict": "good", "figure": "1 ns", "change": ""},
        {"name": "watchdog", "verdict": "limited", "figure": "none", "change": "fit one"},
    ],
}


def plan() -> Any:
    return SimpleNamespace(system={"system": {"profile": "ev"}}, state_dir="state")


def test_the_packs_verdict_comes_first_then_what_is_wrong() -> None:
    found = doctor.rows(FOUND, plan())
    assert [(row["name"], row["level"]) for row in found] == [
        ("A pack of the profile ev at 10 ms", "warning"), ("Watchdog", "warning"), ("Timer", "ok"),
    ]  # fmt: skip
    assert found[1]["change"] == "fit one"


@pytest.mark.parametrize(("said", "problem"), [(json.dumps(FOUND), False), ("no json", True), ("{}", True)])
def test_one_process_answers_all_who_ask(
    said: str, problem: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = tmp_path / "asked"
    script = tmp_path / "ionward"
    script.write_text(f"#!{sys.executable}\nopen({str(counted)!r}, 'a').write('x')\nprint({said!r})\n")
    script.chmod(0o755)
    monkeypatch.setattr(doctor.sys, "executable", str(script))
    asked = doctor.Doctor(plan())

    async def twice() -> list[Any]:
        return list(await asyncio.gather(asked.look(), asked.look()))

    first, second = asyncio.run(twice())
    assert first == second
    assert bool(first["problem"]) == problem
    assert bool(first["rows"]) != problem
    assert counted.read_text() == "x"
