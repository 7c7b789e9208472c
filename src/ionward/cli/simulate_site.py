"""`ionward simulate SITE.toml`: several packs on one bus, each with its BMU, through a scenario."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import typer
from rich.console import Console


def simulate_site(
    site: Path, scenario: Path | None, seed: int, duration_s: float | None, out: Path | None, as_json: bool
) -> None:
    """Run a site in simulated time, and check what the scenario expects. Options as those of a pack."""
    from ionward.battery.site import load_site
    from ionward.cli.simulation_view import progress_display
    from ionward.cli.site_view import print_site_result
    from ionward.cli.warmup import compile_first
    from ionward.image.build import pack_checks
    from ionward.proving.site.report import write_site_report
    from ionward.proving.site.scenario import built_in_site_scenario, load_site_scenario
    from ionward.proving.site.simulation import SiteSimulation

    compile_first(command="simulate a site")
    described = load_site(site, pack_checks())
    chosen = load_site_scenario(scenario) if scenario else built_in_site_scenario()
    if duration_s is not None:
        chosen = chosen.shortened(duration_s)
    simulation = SiteSimulation(described, chosen, seed, keep_traces=out is not None, wall_s=time.time())
    console = Console(stderr=as_json)
    with progress_display(console, chosen.scenario.name, quiet=as_json) as progress:
        result = simulation.run(progress)
    if out is not None:
        write_site_report(out, described, result)
    if as_json:
        print(json.dumps(result.as_json()))
        for words in result.masks:
            print(words, file=sys.stderr)
        for verdict in result.failed:
            print(f"not met: {verdict.text}: {verdict.found}", file=sys.stderr)
    else:
        print_site_result(console, described, result, out)
    if result.failed:
        raise typer.Exit(1)
