"""`ionward demo`: one simulated hour of a pack, with live progress, a summary and plots. `make run` calls it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def demo(
    system: Annotated[Path, typer.Argument(help="System file (TOML).")],
    out: Annotated[Path, typer.Option(help="Folder for plots, summary and traces.")] = Path("out/demo"),
) -> None:
    """Let a pack live through the scenario of its profile: for an EV an hour of driving and charging."""
    from ionward.cli.simulation_view import print_result, progress_display
    from ionward.image.build import load_pack
    from ionward.proving.report import write_report
    from ionward.proving.scenario import built_in_scenario
    from ionward.proving.simulation import Simulation

    console = Console()
    described, _ = load_pack(system)
    scenario = built_in_scenario(described.system.profile)
    topology = described.topology
    console.print(
        f"[bold]{described.system.name}[/]: {topology.series} cells in series, {topology.cells_in_parallel} in "
        f"parallel, {topology.capacity_ah:.0f} Ah; a tick each {1000 * described.cycle.period_s:g} ms"
    )
    simulation = Simulation(described, scenario, wall_s=time.time())
    with progress_display(console, scenario.scenario.name, quiet=False) as progress:
        result = simulation.run(progress)
    with console.status("drawing plots"):
        files = write_report(out, described, result)
    print_result(console, described, result, None, None)
    console.print(f"\nIn [bold]{out}[/]:")
    for name, meaning in files:
        console.print(f"  [bold]{name:<20}[/] {meaning}")
    console.print("\nNext: `ionward simulate --help`, and the scenarios in examples/scenarios.")
    if result.failed:
        raise typer.Exit(1)
