"""Whatever is written into a system file, it loads or it is refused with clear lines: never anything else."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.examples import NAMES, example
from ionward.battery.cell import CellModel
from ionward.battery.library import load_cell
from ionward.battery.system import System, system_from
from ionward.errors import UserError
from ionward.image.build import build_parameters
from ionward.image.fault_levels import fault_problems
from ionward.image.parameters import FAULTP, LEVELP, Parameters
from ionward.image.summary import pack_summary

DESCRIPTIONS = {name: tomllib.loads(example(name).read_text(encoding="utf-8")) for name in NAMES}
CELLS = {name: load_cell(DESCRIPTIONS[name]["system"]["cell"]) for name in NAMES}

# Tables that a file may have, so that mutations reach more than what the examples write.
TABLES = sorted(set(System.model_fields) - {"cell_model", "file"})
SENSOR_TABLES = ("cell_voltage", "temperature", "current", "pack_voltage", "insulation", "hvil")

numbers = st.one_of(
    st.integers(-(10**20), 10**20),
    st.integers(-2, 3),
    st.floats(),
    st.floats(1e-6, 1e6),
    st.sampled_from([0, -1, 1e-300, 1e300, float("nan"), float("inf")]),
)
scalars = st.one_of(numbers, st.booleans(), st.text(max_size=5), st.sampled_from(["ev", "soc", "none", "liquid"]))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["set", "fault", "x\n"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(table: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """All keys and tables of a description."""
    found = []
    for key, value in table.items():
        found.append((*prefix, key))
        if isinstance(value, dict):
            found += places(value, (*prefix, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """An example with some keys removed, replaced or added."""
    name = draw(st.sampled_from(NAMES))
    description = copy.deepcopy(DESCRIPTIONS[name])
    more = [(table, "x") for table in TABLES] + [("sensors", table, "period_s") for table in SENSOR_TABLES]
    for place in draw(st.lists(st.sampled_from(places(description) + more), min_size=1, max_size=4, unique=True)):
        table: Any = description
        for key in place[:-1]:
            table = table.setdefault(key, {}) if isinstance(table, dict) else {}
        if not isinstance(table, dict):
            continue
        if draw(st.booleans()):
            table[place[-1]] = draw(values)
        else:
            table.pop(place[-1], None)
    return name, description


def assert_complete(parameters: Parameters) -> None:
    """No NaN where the tick reads: everything but levels that are not used."""
    for name in parameters.scalars.dtype.names:
        assert np.isfinite(parameters.scalars[name][0]), name
    for name, block in zip(parameters._fields[1:], parameters[1:], strict=True):
        if name == "faults":  # where there is no mask its end is -inf
            block = np.delete(block, FAULTP.mask_until_s, axis=0)
        if name != "levels":
            assert np.isfinite(block).all(), name
    used = ~np.isnan(parameters.levels[:, LEVELP.set])
    assert np.isfinite(np.moveaxis(parameters.levels, 1, 2)[used]).all()


def refusal_of(description: dict[str, Any], cell: CellModel | None) -> tuple[str, ...] | System:
    """The system, or the lines by which it was refused."""
    try:
        return system_from(description, "pack.toml", Path(), cell, checks=(fault_problems,))
    except UserError as error:
        return error.problems


def assert_clear(lines: tuple[str, ...]) -> None:
    assert lines
    for line in lines:
        assert line.startswith("pack.toml: "), line
        assert line.count(": ") >= 2, line
        assert "; " in line, line
        assert line.isprintable(), line


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_a_mutated_example_loads_or_is_refused_with_clear_lines(case: tuple[str, dict[str, Any]]) -> None:
    name, description = case
    system = refusal_of(description, CELLS[name])
    if not isinstance(system, System):
        assert_clear(system)
        return
    assert System.from_dict(system.as_dict()) == system
    if system.series <= 2000:
        assert_complete(build_parameters(system))
        pack_summary(system)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*TABLES, "cell_model", "file", "two\nlines"]), values, max_size=6))
def test_any_tables_load_or_are_refused(description: dict[str, Any]) -> None:
    lines = refusal_of(description, None)
    assert not isinstance(lines, System)
    assert_clear(lines)
