"""Make the cell library again from the measured data, with the same function that `ionward identify` calls.

    python scripts/identify_library.py [NAME …]

Reads the descriptions in `scripts/library/`, the data below `$IONWARD_DATA` (default: ../shared/data), and
writes `src/ionward/battery/cells/*.toml`. Deterministic: the same data give the same files.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

# One thread for linear algebra: on a busy machine many spin against each other and take ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rich.console import Console

from ionward.battery.identify import CellDescription, identify, read_description
from ionward.battery.identify.plots import save_plots
from ionward.battery.identify.write import cell_toml
from ionward.battery.logs import Log, read_log
from ionward.cli.cells import fit_table
from ionward.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "scripts" / "library"
CELLS = ROOT / "src" / "ionward" / "battery" / "cells"


def logs(patterns: tuple[str, ...], data: Path) -> list[Log]:
    found = [path for pattern in patterns for path in sorted(data.glob(pattern))]
    if not found:
        raise UserError(f"no log matches {', '.join(patterns)} in {data}: set IONWARD_DATA to the measured data")
    return [PREPARE.get(path.name, lambda log: log)(read_log(path)) for path in found]


# The leads of the C/15 test of the Leaf cell were sensed with it: its voltage jumps by 0.241 V at 2.17 A
# where the pulses of the HPPC test at the same temperature show 2 mΩ.
LEAF_LEADS_OHM = 0.109
# The second and third cycle; which of the later ones ran at 10 and at 40 degC is not stated.
LEAF_24C_H = (45.7, 93.4)


def leaf_slow_cycles(log: Log) -> Log:
    """The cycles at 24 degC, at the cell's own terminals."""
    hours = log.time_s / 3600
    part = log.rows((hours >= LEAF_24C_H[0]) & (hours < LEAF_24C_H[1]))
    return replace(part, voltage_v=part.voltage_v - LEAF_LEADS_OHM * part.current_a)


PREPARE = {"Cycling-10C-24C-40C.parquet": leaf_slow_cycles}
TEMPERATURES_C = {"Cycling-10C-24C-40C.parquet": 24.0, "1C-Discharge-Bitrode.parquet": 25.0}


def make(description: CellDescription, data: Path, console: Console, plots: Path | None) -> None:
    begun = time.monotonic()
    result = identify(logs(description.ocv, data), logs(description.dynamic, data), description, TEMPERATURES_C)
    (CELLS / f"{description.name}.toml").write_text(cell_toml(result.cell), encoding="utf-8")
    console.print(f"[bold]{description.name}[/bold]: {time.monotonic() - begun:.0f} s")
    console.print(fit_table(result.cell))
    if plots is not None:
        save_plots(result, plots / description.name)


def main(names: list[str]) -> int:
    console = Console()
    data = Path(os.environ.get("IONWARD_DATA", ROOT.parent / "shared" / "data"))
    plots = Path(os.environ["IONWARD_PLOTS"]) if "IONWARD_PLOTS" in os.environ else None
    try:
        for path in sorted(LIBRARY.glob("*.toml")):
            if not names or path.stem in names:
                make(read_description(path), data, console, plots)
    except UserError as error:
        console.print(str(error), style="red")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
