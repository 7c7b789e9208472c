"""The reference documents, made from the catalogue, the fault rows, the pack model and the commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from typer.testing import CliRunner

from ionward.battery.reference import configuration_reference, site_reference
from ionward.cli.main import COMMANDS, app
from ionward.image import exchange, inputs, parameters, signals
from ionward.image.catalogue import Signal
from ionward.image.faults import FAULTS, Fault, Level
from ionward.twin.fault_catalogue import CHANNEL_PLACES, CONNECTORS, CONTACTORS, FAULT_CATALOGUE

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"

    return line(header) + line(["---"] * len(header)) + "".join(map(line, rows)) + "\n"


def _signal_rows(rows: Sequence[Signal]) -> str:
    def values(signal: Signal) -> str:
        if signal.choices:
            return ", ".join(f"{n} {text or 'none'}" for n, text in enumerate(signal.choices))
        if signal.minimum is None and signal.maximum is None:
            return ""
        low = "" if signal.minimum is None else f"{signal.minimum:g}"
        high = "" if signal.maximum is None else f"{signal.maximum:g}"
        return f"{low} … {high}"

    return _table(
        ("signal", "unit", "meaning", "values"),
        ((f"`{s.name}`", s.unit, s.meaning, values(s)) for s in rows),
    )


def signal_page() -> str:
    """Every signal that the BMS takes in, knows, or is told."""
    parts: tuple[tuple[str, str, Sequence[Signal]], ...] = (
        ("Pack", "One value for the pack: the scalar record of the image.", signals.IMAGE_SIGNALS),
        ("Channels", "Measurements that a pack has once.", inputs.CHANNEL_SIGNALS),
        ("Every measurement", "What is known of each channel, cell and sensor.", signals.MEASUREMENT_FIELDS),
        ("Cells", "One value for each cell in series.", signals.CELL_SIGNALS),
        ("Modules", "One value for each module.", signals.MODULE_SIGNALS),
        ("Faults", "One value for each fault of the catalogue.", signals.FAULT_FIELDS),
        ("Events", "One entry for each change of a fault's level.", signals.EVENT_FIELDS),
        ("Commands", "What others may ask for.", inputs.COMMAND_SIGNALS),
        ("Parameters", "What the tick is told about its pack.", parameters.PARAMETER_SIGNALS),
        ("Driver", "What the driver tells the other processes.", exchange.DRIVEN_SIGNALS),
        ("Control", "What control tells the driver and the guard.", exchange.CONTROL_SIGNALS),
        ("Guard", "What the guard tells the driver and control.", exchange.GUARD_SIGNALS),
    )
    text = "# Signals\n\nMade from the catalogue that the program runs on. Current is positive when charging.\n\n"
    return text + "".join(f"## {title}\n\n{about}\n\n{_signal_rows(rows)}" for title, about, rows in parts)


def _level_text(fault: Fault, level: Level | None) -> str:
    if level is None:
        return "–"
    if fault.relative_to and fault.factor:
        values = f"{level.set:g} × / {level.clear:g} ×"
    elif fault.relative_to:
        values = f"{level.set:+g} / {level.clear:+g}"
    else:
        values = f"{level.set:g} / {level.clear:g}"
    return f"{values}, {level.delay_samples} samples and {level.delay_s:g} s"


def fault_page() -> str:
    """Every fault with its ladder, what it means and what to do."""
    text = (
        "# Faults\n\nMade from the fault catalogue. Each step of a ladder shows `set / clear` and the delay; "
        "`info` tells, `warning` lowers the limits, `fault` opens the contactors in order, `critical` opens them at "
        "once. Profiles and pack files change the numbers.\n\n"
    )
    for fault in FAULTS:
        limit = f", relative to `{fault.relative_to}`" if fault.relative_to else ""
        requirement = f"[{fault.requirement}](../safety/requirements.md#{fault.requirement.lower()})"
        text += f"## {fault.name}\n\n`{fault.id}` · DTC {fault.dtc:06X} · {requirement} · FTTI {fault.ftti_s:g} s\n\n"
        text += f"{fault.meaning}\n\n"
        text += f"**What to do:** {fault.action}\n\n"
        names = ("info", "warning", "fault", "critical")
        rows = [(name, _level_text(fault, step)) for name, step in zip(names, fault.levels, strict=True)]
        text += _table(("level", f"{fault.direction}, {fault.unit or 'no unit'}{limit}"), rows)
    return text


def command_page() -> str:
    """The help of every command, as the terminal shows it."""
    runner = CliRunner()
    text = "# Commands\n\nExit codes: 0 fine, 1 a check or expectation failed, 2 wrong use or bad input.\n\n"
    for name in ("", *COMMANDS):
        arguments = [name, "--help"] if name else ["--help"]
        shown = runner.invoke(app, arguments, prog_name="ionward", env={"COLUMNS": "100", "TERM": "dumb"}).output
        text += f"## `ionward {name}`\n\n```text\n{_ANSI.sub('', shown).strip()}\n```\n\n"
    return text


def plant_fault_page() -> str:
    """Faults that a scenario can inject into the simulated battery."""
    text = "# Faults that can be injected\n\nPlaces: cells and modules are numbered from 0; contactors are "
    text += f"{', '.join(f'`{c}`' for c in CONTACTORS)}; connectors {', '.join(f'`{c}`' for c in CONNECTORS)}; "
    text += f"sensors are {', '.join(f'`{c}`' for c in CHANNEL_PLACES)}, "
    text += "`cell_voltage N`, `temperature N`, or without a number all of them. See [Simulate](../simulate.md).\n\n"
    return text + _table(
        ("fault", "place", "meaning", "value", "default"),
        (
            (
                f"`{f.name}`",
                f.place,
                f.meaning,
                f"{f.value}{f' ({f.unit})' if f.unit else ''}" if f.takes_value else "",
                "" if f.default is None else f"{f.default:g}",
            )
            for f in FAULT_CATALOGUE
        ),
    )


def profile_page() -> str:
    """EV and storage side by side."""
    from ionward.runtime.profiles_view import markdown

    return markdown()


PAGES: dict[str, Callable[[], str]] = {
    "configuration": configuration_reference,
    "site-configuration": site_reference,
    "signals": signal_page,
    "faults": fault_page,
    "commands": command_page,
    "plant-faults": plant_fault_page,
    "profiles": profile_page,
}
