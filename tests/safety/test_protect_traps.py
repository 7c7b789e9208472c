"""Traps that protection must not fall into, and promises of the kernel as a whole."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import pytest

import ionward
from helpers.kernel import Kernel, prepare
from ionward.image.signals import (
    LEVEL_CRITICAL,
    LEVEL_FAULT,
    OPEN_NOW,
    STATES,
)


@pytest.mark.verifies("SR-001")
def test_cells_that_take_turns_in_exceeding_are_counted_together() -> None:
    k = Kernel()
    prepare(k, "cell_overvoltage")
    for n in range(10):
        k.cells(*[4.24 if n % 4 == c else 4.1 for c in range(4)])
        k.tick()
    assert k.level("cell_overvoltage") == LEVEL_FAULT


@pytest.mark.verifies("SR-103")
def test_one_sample_of_one_cell_is_not_counted_again_with_its_neighbours_samples() -> None:
    """Cells measured one after the other: the bad one once, the others many times."""
    k = Kernel()
    prepare(k, "cell_overvoltage")
    raw = k.samples.raw
    k.samples.silent.add("cells")
    for n in range(9):  # within the greatest age
        raw.cells[:, n % 3] = 4.1 + 1e-4 * n, k.now_s + k.cycle_s
        if n == 0:
            raw.cells[:, 3] = 4.3, k.now_s + k.cycle_s
        k.tick()
    assert k.levels() == {}
    assert k.s["cell_voltage_max_cell"] == 3


def test_samples_that_fall_but_stay_beyond_are_counted_though_older_ones_are_worse() -> None:
    k = Kernel()
    prepare(k, "cell_overvoltage")
    raw = k.samples.raw
    k.samples.silent.add("cells")
    for n in range(9):
        raw.cells[:, n % 2] = 4.30 - 0.001 * n, k.now_s + k.cycle_s
        k.tick()
    assert k.level("cell_overvoltage") == LEVEL_CRITICAL


@pytest.mark.verifies("SR-126")
def test_acknowledging_is_an_edge_that_survives_any_counter_value() -> None:
    k = Kernel()
    for before, after in ((0, 1), (2**63 - 1, -(2**63)), (-1, -2), (5, 0)):
        k.command["acknowledge_count"] = before
        k.run(0.05)
        k.channels["hvil_closed"] = 0.0
        k.run(0.1)
        k.channels["hvil_closed"] = 1.0
        k.run(0.1)
        assert k.s["latched_faults"] == 1
        k.command["acknowledge_count"] = after
        k.run(0.02)
        assert k.s["latched_faults"] == 0


@pytest.mark.verifies("SR-126")
def test_a_count_given_before_the_start_acknowledges_nothing() -> None:
    k = Kernel(settle=False)
    k.command["acknowledge_count"] = 7
    k.channels["crash"] = 1.0
    k.run(0.1)
    k.channels["crash"] = 0.0
    k.run(1.0)
    assert k.s["latched_faults"] == 1


@pytest.mark.verifies("SR-123")
@pytest.mark.parametrize("state", range(len(STATES)), ids=STATES)
@pytest.mark.parametrize("connect", [0, 1])
def test_protection_works_in_every_state_of_the_sequence(state: int, connect: int) -> None:
    k = Kernel()
    k.s["state"], k.command["connect"] = state, connect
    prepare(k, "cell_overvoltage")
    k.cells(4.1, 4.1, 4.3, 4.1)
    assert k.until("cell_overvoltage", LEVEL_CRITICAL, 0.1) <= 0.04
    assert k.s["open_request"] == OPEN_NOW


@pytest.mark.verifies("SR-124")
def test_an_estimate_is_never_looked_at() -> None:
    k, liar = Kernel(), Kernel()
    for n in range(200):
        for pack in (k, liar):
            pack.cells(3.7, 3.7, 3.7, 3.7 + 0.006 * n)
        for name in ("soc", "soh", "charge_limit_a", "discharge_limit_a", "remaining_energy_wh"):
            liar.s[name] = math.nan if n % 2 else 1e9
        liar.image.cells[5 + 2 :] = -1.0
        k.tick()
        liar.tick()
    assert k.events() == liar.events() != []


VALIDATION = ("validate.py", "samples.py", "summary.py")


def _code_lines(source: str) -> int:
    """Lines that do something: no blank ones, no comments, no docstrings."""
    texts = [
        node.body[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None
    ]
    skipped = {n for text in texts for n in range(text.lineno, (text.end_lineno or text.lineno) + 1)}
    lines = enumerate(source.splitlines(), start=1)
    return sum(1 for n, line in lines if n not in skipped and line.strip() and not line.strip().startswith("#"))


def test_the_kernel_stays_small_enough_to_be_read() -> None:
    """Every line of what protects is counted; of what it protects by (validation) what is not text or space as well."""
    room = Path(ionward.__file__).parent / "safety"
    sources = {p.name: p.read_text(encoding="utf-8") for p in room.glob("*.py") if not p.name.startswith("guard")}
    assert set(VALIDATION) < set(sources)
    assert sum(len(source.splitlines()) for name, source in sources.items() if name not in VALIDATION) < 2000
    assert sum(map(_code_lines, sources.values())) < 2000
