"""How the simulation of a site looks in the terminal: its packs, the story in order, events and expectations."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ionward.battery.site import Site
from ionward.cli.simulation_view import clock, events_table, tell_masks, verdicts_table
from ionward.proving.site.simulation import SiteResult

STORY_SHOWN = 120


def print_site_result(console: Console, site: Site, result: SiteResult, out: Path | None) -> None:
    """Summary, packs, story, events and expectations of a run."""
    tell_masks(console, result.masks)
    console.print(_summary(site, result))
    console.print(_packs(result))
    console.print(_story(result))
    if result.events:
        console.print(events_table(result))
    else:
        console.print("No events.")
    if result.events_lost:
        console.print(f"[yellow]{result.events_lost} events came too fast to be kept.")
    if result.verdicts:
        console.print(verdicts_table(result))
    if out is not None:
        console.print(f"Plots, summary and traces: [bold]{out}")


def _summary(site: Site, result: SiteResult) -> Table:
    table = Table(title=f"{site.site.name}: {result.name}", show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    facts, mail = result.facts, result.mail
    never = {"cut off": mail["cut"], "lost": mail["lost"], "broken": mail["broken"], "too late": mail["overrun"]}
    losses = ", ".join(f"{count:,} {name}" for name, count in never.items() if count) or "none lost"
    for name, value in (
        ("simulated", f"{clock(result.simulated_s)}, {result.ticks:,} cycles of {len(site.units)} units"),
        ("took", f"{result.wall_s:.1f} s, {result.speed:,.0f}x real time"),
        ("connected", result.final_state),
        ("bus", f"{facts['bus_voltage_v']:.1f} V, {facts['current_a']:+.1f} A (positive charges)"),
        ("site may carry", f"{facts['site_charge_limit_a']:.0f} A charging, "
                           f"{facts['site_discharge_limit_a']:.0f} A discharging"),
        ("speaks for it", f"{result.speaker or 'nobody'}, term {facts['term']:.0f}"),
        ("messages", f"{mail['sent']:,} sent, {losses}"),
        ("seed", str(result.seed)),
        ("digest", result.digest),
    ):  # fmt: skip
        table.add_row(name, value)
    return table


def _packs(result: SiteResult) -> Table:
    table = Table(title="Packs at the end", title_justify="left")
    for column in ("unit", "state", "contacts"):
        table.add_column(column, no_wrap=True)
    for column in ("A", "SOC", "true SOC"):
        table.add_column(column, no_wrap=True, justify="right")
    table.add_column("why it is not connected")
    for pack in result.packs:
        estimated = f"{100 * pack.soc:.1f} %" if pack.soc == pack.soc else "unknown"
        table.add_row(
            Text(pack.name), pack.state, "closed" if pack.connected else "open", f"{pack.current_a:+.1f}", estimated,
            f"{100 * pack.soc_true:.1f} %", pack.reason,
        )  # fmt: skip
    return table


def _story(result: SiteResult) -> Table:
    table = Table(title="What happened", title_justify="left")
    table.add_column("time", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("what")
    # Of a long story the steps on the way to connected and back are left out first.
    shown = result.story
    if len(shown) > STORY_SHOWN:
        shown = [entry for entry in shown if not entry[2].startswith(("closing", "contacts", "precharge", "opening"))]
    for at_s, who, words in shown[:STORY_SHOWN]:
        table.add_row(clock(at_s), Text(who), Text(words))
    if len(result.story) > min(len(shown), STORY_SHOWN):
        table.add_row("…", "", f"{len(result.story) - min(len(shown), STORY_SHOWN)} more; --out keeps all")
    return table
