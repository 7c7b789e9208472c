"""SOC accuracy on every measured drive: `python scripts/accuracy_table.py [--out docs/estimation-accuracy.md]`.

Each log goes through the BMS as `ionward estimate` does it, 20 points wrong at the start, scored after 600 s: as it is,
with current offsets and a gain error, with a capacity 10 % too small, and from the other side or the first voltage.
Reads the measured data of IONWARD_DATA (default: ../shared/data). The last lines say whether every file of the folder,
also of other cells, keeps the SOC between 0 and 1.

`--held-out` instead identifies each cell again without some of its logs (one temperature and two kinds of drives of the
LG cell, one dynamic test of the A123 cell), and scores those logs only: the model has never seen them.
"""

from __future__ import annotations

import argparse
import os

# One thread for linear algebra: on a busy machine many spin against each other and take ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from pathlib import Path
from typing import Any

import numpy as np

from ionward.battery.cell import CellModel
from ionward.battery.identify import identify, read_description
from ionward.battery.library import load_cell
from ionward.battery.logs import Log, read_log
from ionward.errors import UserError
from ionward.proving.logrun import Settings, run_log

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("IONWARD_DATA", ROOT.parent / "shared" / "data"))
DRIVES = ("Mixed", "UDDS", "PausCycl")
NMC = "lg-18650hg2"
LFP = "a123-26650"
VARIANTS = ("20 points low", "first voltage", "offset small", "offset +", "offset -", "gain 1.01", "capacity -10 %")
MARKS = ("<!-- accuracy -->", "<!-- /accuracy -->")
HELD_OUT_MARKS = ("<!-- held out -->", "<!-- /held out -->")
# Parts of the names of logs that the cells of `--held-out` are identified without.
HELD_OUT = {NMC: ("10C_", "_Mixed2_", "_UDDS_"), LFP: ("25C_DYN",)}
OFFSETS = {NMC: (0.02, 0.3), LFP: (0.02, 0.1)}


def variants(cell: str, capacity_ah: float, start: float) -> list[Settings]:
    """The runs of one row of the table."""
    small, large = OFFSETS[cell]
    wrong = max(start - 0.2, 0.0)
    return [
        Settings(wrong),
        Settings(None),
        Settings(wrong, current_offset_a=small),
        Settings(wrong, current_offset_a=large),
        Settings(wrong, current_offset_a=-large),
        Settings(wrong, current_gain=1.01),
        Settings(wrong, capacity_ah=0.9 * capacity_ah),
    ]


def with_reference(log: Log, capacity_ah: float) -> Log:
    """An A123 log with a reference: full at the start, then the tester's counter over the cell's capacity."""
    assert log.ah is not None
    parts = {name: getattr(log, name).copy() for name in ("time_s", "current_a", "voltage_v")}
    reference = 1.0 + (log.ah - log.ah[0]) / capacity_ah
    return Log(log.source, **parts, soc_ref=np.clip(reference, 0.0, 1.0), metadata=log.metadata)


def drives() -> list[tuple[str, Path]]:
    """Cell and file of every scored drive."""
    lg = [p for p in sorted((DATA / "lg_hg2").glob("*.parquet")) if any(d in p.name for d in DRIVES)]
    a123 = sorted((DATA / "a123_esc").glob("*_DYN_s1.parquet"))
    return [(NMC, p) for p in lg] + [(LFP, p) for p in a123]


def table() -> list[str]:
    """One line for each drive: RMSE / largest error in percent for each variant."""
    lines = [
        f"| drive | {' | '.join(VARIANTS)} | voltage mV | in ± 2 σ |",
        f"| --- |{' --- |' * (len(VARIANTS) + 2)}",
    ]
    for name, path in drives():
        cell = load_cell(name)
        log = read_log(path, cell=cell)
        capacity_ah = cell.capacity.reference_ah
        if name == LFP:
            log = with_reference(log, capacity_ah)
        assert log.soc_ref is not None
        start = float(log.soc_ref[np.isfinite(log.soc_ref)][0])
        texts: list[str] = []
        first: Any = None
        for settings in variants(name, capacity_ah, start):
            run = run_log(log, cell, settings)
            first = first or run
            score = run.score()
            texts.append("-" if score is None else f"{score[0]:.2f} / {score[1]:.2f}")
        error = np.abs(first.soc - log.soc_ref)[first.settled]
        inside = float(np.mean(error <= 2 * first.soc_std[first.settled]))
        lines.append(f"| {path.stem} | {' | '.join(texts)} | {first.voltage_rmse_mv():.1f} | {100 * inside:.0f} % |")
        print(lines[-1], flush=True)
    return lines


def is_held_out(cell: str, path: Path) -> bool:
    """Whether a log is kept from the fit. Parts that begin with a temperature must begin the name: n10C is not 10C."""
    return any(path.name.startswith(part) or (part[0] == "_" and part in path.name) for part in HELD_OUT[cell])


def identified_without(name: str) -> CellModel:
    """The cell as the library has it, identified without the held-out logs."""
    description = read_description(ROOT / "scripts" / "library" / f"{name}.toml")

    def kept(patterns: tuple[str, ...]) -> list[Log]:
        paths = [path for pattern in patterns for path in sorted(DATA.glob(pattern))]
        return [read_log(path) for path in paths if not is_held_out(name, path)]

    return identify(kept(description.ocv), kept(description.dynamic), description).cell


def held_out_table() -> list[str]:
    """One line for each held-out drive, 20 points wrong at the start: RMSE / largest error in percent."""
    lines = [
        "| held-out drive | 20 points low | first voltage | voltage mV | in ± 2 σ |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in HELD_OUT:
        cell = identified_without(name)
        for path in [p for owner, p in drives() if owner == name and is_held_out(name, p)]:
            log = read_log(path, cell=cell)
            if name == LFP:
                log = with_reference(log, cell.capacity.reference_ah)
            assert log.soc_ref is not None
            start = float(log.soc_ref[np.isfinite(log.soc_ref)][0])
            runs = [run_log(log, cell, Settings(soc)) for soc in (max(start - 0.2, 0.0), None)]
            scores = [run.score() for run in runs]
            texts = ["-" if score is None else f"{score[0]:.2f} / {score[1]:.2f}" for score in scores]
            error = np.abs(runs[0].soc - log.soc_ref)[runs[0].settled]
            inside = float(np.mean(error <= 2 * runs[0].soc_std[runs[0].settled]))
            lines.append(
                f"| {path.stem} | {' | '.join(texts)} | {runs[0].voltage_rmse_mv():.1f} | {100 * inside:.0f} % |"
            )
            print(lines[-1], flush=True)
    return lines


def every_file() -> list[str]:
    """Put every file that can be read as a log of one cell through the estimator; count broken rows."""
    files = broken = 0
    refused: list[str] = []
    for path in sorted(DATA.glob("*/*.parquet")):
        cell = load_cell(LFP if "a123" in path.parent.name or "severson" in path.parent.name else NMC)
        try:
            log = read_log(path)
        except UserError as error:
            refused.append(f"{path.parent.name}/{path.name}: {error.problems[0]}")
            continue
        run = run_log(log, cell, Settings(0.5))
        files += 1
        good = (run.soc >= 0.0) & (run.soc <= 1.0) & np.isfinite(run.soc_std)
        if not good.all():
            broken += 1
            print(f"BROKEN {path}: {int((~good).sum())} rows", flush=True)
    return [
        f"{files} files of {DATA.name}/ were put through the estimator, {broken} of them gave an SOC that is not a "
        f"number between 0 and 1; {len(refused)} files are no logs of one cell (captures, feature tables) and were "
        "refused with one line each."
    ]


def write(path: Path, lines: list[str], marks: tuple[str, str]) -> None:
    """Write the table, between its marks where the file has them."""
    text = "\n".join(lines)
    if path.is_file() and marks[0] in (old := path.read_text(encoding="utf-8")):
        before, rest = old.split(marks[0], 1)
        _, after = rest.split(marks[1], 1)
        text = f"{before}{marks[0]}\n{text}\n{marks[1]}{after}"
    else:
        text += "\n"
    path.write_text(text, encoding="utf-8")


def main() -> int:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write Markdown here")
    parser.add_argument("--skip-all-files", action="store_true", help="only the scored drives")
    parser.add_argument("--held-out", action="store_true", help="score logs that the model was identified without")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"error: {DATA} does not exist: set IONWARD_DATA to the measured data", file=sys.stderr)
        return 2
    lines = held_out_table() if arguments.held_out else table()
    if not arguments.skip_all_files and not arguments.held_out:
        lines += ["", *every_file()]
        print(lines[-1])
    if arguments.out:
        write(arguments.out, lines, HELD_OUT_MARKS if arguments.held_out else MARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
