"""The folder that a simulation leaves: plots, a summary and traces."""

from __future__ import annotations

import json
from pathlib import Path

from ionward.battery.system import System
from ionward.errors import UserError
from ionward.proving import plots
from ionward.proving.simulation import Result

PLOTS = (
    ("pack.png", "voltage, current and the limits with the rule that sets them", plots.pack),
    ("cells.png", "cell voltages and their spread", plots.cells),
    ("soc.png", "SOC, true and estimated", plots.soc),
    ("temperatures.png", "temperatures by module, coolant, and what cooling does", plots.temperatures),
    ("balancing.png", "which cells are bled, and the spread that is left", plots.balancing),
    ("timeline.png", "states, contacts, commands and events", plots.timeline),
)


def write_report(folder: Path, system: System, result: Result) -> list[tuple[str, str]]:
    """Write plots, `summary.json` and `traces.parquet`; returns their names and meanings.

    Raises:
        UserError: the folder cannot be made or written.
    """
    traces = result.traces
    if traces is None or len(traces) == 0:
        raise UserError("the run kept no traces: nothing to draw")
    written: list[tuple[str, str]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, meaning, draw in PLOTS:
            draw(folder / name, system, result, traces)
            written.append((name, meaning))
        summary = result.as_json() | {
            "system": system.system.name,
            "scenario": result.name,
            "seed": result.seed,
            "final": result.final,
            "expectations": [{"text": v.text, "met": v.met, "found": v.found} for v in result.verdicts],
            "changes": [vars(change) for change in result.changes],
        }
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        traces.write(folder / "traces.parquet")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; choose another folder with --out") from None
    written.append(("summary.json", "events, expectations, changes of state"))
    written.append(("traces.parquet", "every signal each second, measured and true"))
    return written
