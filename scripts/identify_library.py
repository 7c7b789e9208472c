"""Make the cell library again from the measured data, with the same function that `ionward identify` calls.

    python scripts/identify_library.py [NAME …]

Reads the descriptions in `scripts/library/`, the data below `$IONWARD_DATA` (default: ../shared/data), and
writes `src/ionward/battery/cells/*.toml`. Deterministic: the same data give the same files.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

# One thread for linear algebra: on a busy machine many spin against each other and take ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rich.console import Console  # noqa: E402

from ionward.battery.identify import CellDescription, identify, read_description  # noqa: E402
from ionward.battery.identify.plots import save_plots  # noqa: E402
from ionward.battery.identify.write import cell_toml  # noqa: E402
from ionward.battery.logs import Log, read_log  # noqa: E402
from ionward.cli.cells import fit_table  # noqa: E402
from ionward.errors import UserError  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "scripts" / "library"
CELLS = ROOT / "src" / "ionward" / "battery" / "cells"


def logs(patterns: tuple[str, ...], data: Path) -> list[Log]:
    found = [path for pattern in patterns for path in sorted(data.glob(pattern))]
    if not found:
        raise UserError(
            f"no log matches {', '.join(patterns)} in {data}: set IONWARD_DATA to the measured data"
        )
    return [read_log(path) for path in found]


def make(description: CellDescription, data: Path, console: Console, plots: Path | None) -> None:
    begun = time.monotonic()
    result = identify(logs(description.ocv, data), logs(description.dynamic, data), description)
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
