"""`ionward faults`: the catalogue of faults, what each one means, and how it counts in a pack."""

from __future__ import annotations

import json as json_format
import time
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ionward.battery.masks import Mask
from ionward.battery.system import System
from ionward.cli.fault_memory import tell_memory
from ionward.errors import UserError
from ionward.image.build import load_pack
from ionward.image.fault_levels import (
    ABSENT,
    LEVEL_NAMES,
    decision_time_s,
    ftti_s,
    resolved_levels,
    sample_period_s,
    unknown_fault,
)
from ionward.image.faults import BY_ID, FAULTS, Fault, Level
from ionward.image.masks import LONGEST_DAYS, holds
from ionward.image.reactions import left_possible, opens_only
from ionward.image.summary import applies
from ionward.safety_case.case import Goal, Technical, load_case

# Groups of the catalogue by the third digit of the trouble code (0x1AGxxx).
GROUPS = ("Cells", "Temperature", "Current", "High voltage", "Lost measurements", "The BMS itself",
          "Cell monitors", "Connection")  # fmt: skip
OTHERS = "Others"


def faults(
    fault: Annotated[str, typer.Argument(help="A fault to explain; none: list all.", show_default=False)] = "",
    system: Annotated[
        Path | None, typer.Option("--system", help="System file: show thresholds as they count in this pack.")
    ] = None,
    memory: Annotated[
        Path | None,
        typer.Option(help="State folder of `ionward run`: what has failed there.", metavar="STATE_DIR"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """List the faults that Ionward knows, or explain one of them.

    Thresholds are the catalogue's, relative to limits of the pack; with --system they are those of that pack. With
    --memory it tells the fault memory of a state folder instead, whether a BMS runs there or not.
    """
    if fault and fault not in BY_ID:
        raise UserError(f"unknown fault '{fault}'; {unknown_fault(fault)}")
    if memory is not None:
        if system is not None:
            raise UserError("--memory tells what has failed, --system what would count: give one of them")
        tell_memory(memory, fault, json)
        return
    pack = load_pack(system)[0] if system else None
    chosen = [BY_ID[fault]] if fault else list(FAULTS)
    console = Console(highlight=False)
    if json:
        found = {f.id: as_dict(f, pack) for f in chosen}
        typer.echo(json_format.dumps(found[fault] if fault else found, indent=2, ensure_ascii=False))
    elif fault:
        explain(BY_ID[fault], pack, console)
    else:
        console.print(catalogue(pack))


def group_of(fault: Fault) -> str:
    """Name of the group of the catalogue that a fault belongs to."""
    number = fault.dtc >> 12 & 0xF
    return GROUPS[number] if number < len(GROUPS) else OTHERS


def reaction_of(fault: Fault, pack: System | None = None) -> list[tuple[str, str]]:
    """What each level of a fault leads to, in plain words."""
    sides = "charging and discharging" if fault.blocks == "both" else f"{fault.blocks[:-1]}ing"
    both = "" if fault.blocks == "both" else " (of one-way switches, the one that blocks it alone)"
    opens = f"forbids {sides} at once, then opens the contactors in order{both}"
    if pack and (left := left_possible(fault, pack)):
        alone = opens_only(fault, "fault", pack)
        opens = f"forbids {sides} and opens the switch that blocks it; {left}" if alone else (
            f"forbids {sides} at once, then opens the contactors in order; {left}"
        )  # fmt: skip
    words = {
        "info": "is told, nothing else",
        "warning": "lowers the current limits",
        "fault": opens,
        "critical": "opens the contactors at once",
    }
    return [(name, words[name]) for name, level in zip(LEVEL_NAMES, _levels(fault, pack), strict=True) if level]


def as_dict(fault: Fault, pack: System | None) -> dict[str, Any]:
    """One fault for a script. Thresholds are relative to `relative_to` unless a pack is given."""
    requirement, goals = _safety(fault)
    reaction = dict(reaction_of(fault, pack))
    period_s = sample_period_s(fault, pack) if pack else None
    mask = _mask(fault, pack)
    return {
        "name": fault.name,
        "group": group_of(fault),
        "meaning": fault.meaning,
        "action": fault.action,
        "unit": fault.unit,
        "scope": fault.scope,
        "direction": fault.direction,
        "dtc": f"{fault.dtc:06X}",
        "latching": fault.latching,
        "service": fault.service,
        "retry": fault.retry,
        "maskable": fault.maskable,
        "mask": mask.model_dump() | {"in_force": holds(mask, time.time())} if mask else None,
        "cool_down_s": pack.faults.get(fault.id, ABSENT).cool_down_s if pack else None,
        "retries": pack.faults.get(fault.id, ABSENT).retries if pack else None,
        "ftti_s": ftti_s(fault, pack) if pack else fault.ftti_s,
        "judged": applies(fault, pack) if pack else None,
        "opens_only": opens_only(fault, "fault", pack) if pack else None,
        "relative_to": "" if pack else fault.relative_to,
        "factor": fault.factor and not pack,
        "requirement": fault.requirement,
        "requirement_text": requirement.text if requirement else "",
        "goals": [g.id for g in goals],
        "levels": {
            name: {
                **vars(level),
                "reaction": reaction[name],
                **({"decided_within_s": decision_time_s(level, period_s)} if period_s else {}),
            }
            for name, level in zip(LEVEL_NAMES, _levels(fault, pack), strict=True)
            if level
        },
    }


def catalogue(pack: System | None) -> Table:
    """All faults in their groups, with levels, reaction, requirement, FTTI and trouble code."""
    table = Table(box=None, pad_edge=False)
    for name in ("fault", "name", "levels", "at most", "requirement", "FTTI", "DTC"):
        table.add_column(name, header_style="dim", no_wrap=name in ("fault", "requirement", "FTTI", "DTC"))
    most = {"info": "tells", "warning": "lowers limits", "fault": "opens in order", "critical": "opens at once"}
    for group, rows in groupby(sorted(FAULTS, key=lambda f: f.dtc >> 12), key=group_of):
        table.add_row(Text(group, style="bold"))
        for fault in rows:
            levels = [name for name, _ in reaction_of(fault, pack)]
            judged = pack is None or applies(fault, pack)
            budget_s = ftti_s(fault, pack) if pack else fault.ftti_s
            mask = _mask(fault, pack)
            told = most[levels[-1]] if judged else "not judged in this pack"
            if mask is not None and holds(mask, time.time()):
                told = f"[bold magenta]MASKED[/] until {mask.until}"
            table.add_row(
                fault.id, fault.name, " ".join(levels), told,
                fault.requirement, f"{budget_s:g} s", f"{fault.dtc:06X}",
            )  # fmt: skip
    return table


def explain(fault: Fault, pack: System | None, console: Console) -> None:
    """Print one fault: what it means, what to do, what it leads to, its ladder, and why it is there."""
    requirement, goals = _safety(fault)
    console.print(
        Text(fault.name, style="bold"), Text(f"  {fault.id}, DTC {fault.dtc:06X}, {fault.requirement}", "dim")
    )
    console.print(Text(fault.meaning))
    console.print(Text(f"What to do: {fault.action}"))
    console.print(Text(f"It {_afterwards(fault, pack)}."))
    mask = _mask(fault, pack)
    if mask is not None:
        console.print(Text(*_mask_told(mask)))
    console.print(Text(_maskable(fault, pack), "dim"))
    if pack and not applies(fault, pack):
        console.print(Text("This pack does not have what it is judged by: it is never raised here.", "bold"))
    words = dict(reaction_of(fault, pack))
    for name, level in zip(LEVEL_NAMES, _levels(fault, pack), strict=True):
        if level is not None:
            console.print(Text(f"  {name:<9}{_ladder_step(fault, level, pack)}"))
            console.print(Text(f"           {words[name]}", "dim"))
    budget_s = ftti_s(fault, pack) if pack else fault.ftti_s
    opens = "open contactors" if {"fault", "critical"} & set(words) else "its being told"
    console.print(Text(f"Time budget (FTTI): {budget_s:g} s from the fault to {opens}."))
    if requirement:
        console.print(Text(f"{fault.requirement}: {requirement.text}"))
    for goal in goals:
        console.print(Text(f"{goal.id}: {goal.text}", "dim"))


def _afterwards(fault: Fault, pack: System | None) -> str:
    """What happens once the fault has opened the contactors and is gone."""
    if not fault.latching:
        return "goes by itself"
    if fault.service:
        return "is a lock: once it is gone, the service action `release` ends it, nothing else"
    change = pack.faults.get(fault.id, ABSENT) if pack else ABSENT
    cools = f", {change.cool_down_s:g} s after it is gone at the earliest" if change.cool_down_s else ""
    waits = f"waits to be acknowledged once it reached fault or critical{cools}"
    if change.retries:
        times = "once" if change.retries == 1 else f"{change.retries} times"
        waits += f"; at the level fault it is retried {times} an hour before"
    elif fault.retry:
        waits += "; a pack file may let it be retried (`retries`, `cool_down_s`)"
    return waits


def _mask(fault: Fault, pack: System | None) -> Mask | None:
    """The mask that a pack file has for a fault."""
    return next((mask for mask in pack.masks if mask.fault == fault.id), None) if pack else None


def _mask_told(mask: Mask) -> tuple[str, str]:
    """A mask in words, and their style."""
    if holds(mask, time.time()):
        return f"MASKED in this pack: told only, nothing reacts to it, {mask.words}", "bold magenta"
    return f"Its mask has ended and has no effect ({mask.words}).", ""


def _maskable(fault: Fault, pack: System | None) -> str:
    """Whether a pack file may mask a fault."""
    if not fault.maskable:
        return "It can never be masked."
    critical = pack is not None and resolved_levels(fault, pack)[3] is not None
    return (
        "It becomes critical in this pack, so that it cannot be masked."
        if critical
        else (f"A pack file may mask it for {LONGEST_DAYS} days at most ([[masks]]).")
    )


def _safety(fault: Fault) -> tuple[Technical | None, list[Goal]]:
    """The requirement of a fault and the safety goals that it serves."""
    case = load_case()
    requirement = case.requirement.get(fault.requirement)
    wanted = case.goals_of(requirement) if requirement else []
    return requirement, [g for g in case.goals if g.id in wanted]


def _levels(fault: Fault, pack: System | None) -> tuple[Level | None, Level | None, Level | None, Level | None]:
    return resolved_levels(fault, pack) if pack else fault.levels


def _ladder_step(fault: Fault, level: Level, pack: System | None) -> str:
    unit = f" {fault.unit}" if fault.unit else ""

    def threshold(value: float) -> str:
        if pack or not fault.relative_to:
            return f"{value:g}{unit}"
        return f"{value:g} x {fault.relative_to}" if fault.factor else f"{fault.relative_to} {value:+g}{unit}"

    samples = f"{level.delay_samples} new sample{'s' if level.delay_samples > 1 else ''}"
    return (
        f"{fault.direction} {threshold(level.set)} in {samples} and for {level.delay_s:g} s; "
        f"left at {threshold(level.clear)}"
    )
