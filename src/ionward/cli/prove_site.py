"""`ionward prove SITE.toml`: random combined faults of a simulated site, and what must never happen."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from ionward.battery.site import Site
    from ionward.proving.site.campaign import SiteCampaign

VIOLATIONS_SHOWN = 60


def prove_site(
    file: Path, seed: int, scenarios: int | None, hours: float | None, resume: Path | None, which: str | None,
    workers: int, as_json: bool,
) -> None:  # fmt: skip
    """Run the campaign of a site, or replay one scenario of it. Options as those of a pack."""
    from ionward.battery.site import load_site
    from ionward.cli.prove_view import progress_display
    from ionward.image.build import pack_checks
    from ionward.proving.site.campaign import run_site_campaign, site_numbers

    site = load_site(file, pack_checks())
    console = Console(stderr=as_json, highlight=False)
    if which is not None:
        if print_site_replay(console, site, which):
            raise typer.Exit(1)
        return
    began = time.perf_counter()
    with progress_display(console, quiet=as_json) as report:
        campaign = run_site_campaign(site, seed, site_numbers(site, seed, scenarios, hours), resume, report, workers)
    campaign.wall_s = time.perf_counter() - began
    if as_json:
        print(json.dumps(campaign.as_json(), ensure_ascii=False))
    else:
        print_campaign(console, site, campaign)
    if not campaign.ok:
        raise typer.Exit(1)


def print_site_replay(console: Console, site: Site, which: str) -> bool:
    """Tell a scenario in order; True when an invariant is broken in it."""
    from ionward.proving.site.campaign import replay_site

    violated = False
    for time_s, words in replay_site(site, which):
        broken = words.startswith("VIOLATION")
        violated = violated or broken
        console.print(f"{time_s:10.3f} s  {words}", style="bold red" if broken else "", markup=False)
    console.print("[red]An invariant is broken." if violated else "[green]Every invariant holds.")
    return violated


def print_campaign(console: Console, site: Site, campaign: SiteCampaign) -> None:
    """What was found, with the commands that replay it, and the verdict."""
    from ionward.image.masks import name_of

    if campaign.violations:
        table = Table(title="Broken invariants", title_justify="left", box=None, pad_edge=False)
        for name in ("at", "what", "faults that it takes", "replay with"):
            table.add_column(name, header_style="dim", overflow="fold")
        for v in campaign.violations[:VIOLATIONS_SHOWN]:
            table.add_row(f"{v.time_s:.2f} s", f"[red]{v.sentence()}", escape("; ".join(v.words)) or "none",
                          escape(v.command(campaign.file, campaign.seed)))  # fmt: skip
        console.print(table)
    for unit in site.units:
        for mask in unit.system.masks:
            console.print(f"[bold magenta]masked[/] in {escape(unit.name)}: {name_of(mask)}, {escape(mask.words)}; "
                          "masks do not hold in a campaign")  # fmt: skip
    what = (
        f"{len(site.units)} packs, {len(campaign.finished)} random scenarios of seed {campaign.seed}, "
        f"{campaign.simulated_s / 3600.0:.2f} h"
    )
    count = len(campaign.violations)
    verdict = f"[red]{count} violations" if count else "[green]every invariant holds"
    console.print(f"{'[red]✗' if count else '[green]✓'}[/] {what}: {verdict}[/], in {campaign.wall_s:.0f} s")
