"""`ionward simulate`: BMS and simulated battery in closed loop, through a scenario."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ionward.battery.site import is_site_file
from ionward.errors import UserError


def simulate(
    system: Annotated[Path, typer.Argument(help="File of a pack or of a site (TOML).")],
    more: Annotated[
        list[Path] | None, typer.Argument(help="Further captures after --from.", metavar="[CAPTURE]…")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option(help="Scenario file (TOML); left out: the one of the pack's profile, or of sites.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same run.")] = 1,
    duration: Annotated[
        float | None, typer.Option(min=0.001, help="Simulated seconds, instead of the scenario's.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for plots, summary and traces.")] = None,
    record: Annotated[Path | None, typer.Option(help="Write a recording of this run.")] = None,
    from_: Annotated[
        list[Path] | None, typer.Option("--from", help="Measured captures instead of a simulated battery.")
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="NAME=COLUMN where a capture's columns do not say what they are.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run a battery system, or a site of several, in simulated time, and check what the scenario expects.

    Exit code 1 when an expectation is not met, 2 for wrong input.
    """
    if duration is not None and not math.isfinite(duration):
        raise UserError(f"--duration is {duration:g}, allowed: a number of seconds, 0.001 or more")
    if is_site_file(system):
        from ionward.cli.simulate_site import simulate_site

        for option, given in (("--record", record), ("--from", from_), ("--map", map_), ("further captures", more)):
            if given:
                raise UserError(f"{system}: is a site; {option} is for a single pack: name the file of a pack")
        simulate_site(system, scenario, seed, duration, out, as_json)
        return
    if from_:
        from ionward.cli.measured import simulate_from

        if scenario is not None:
            raise UserError("--scenario and --from exclude each other: captures bring their own course of events")
        simulate_from(system, [*from_, *(more or [])], duration, out, record, as_json, map_ or [])
        return
    if more or map_:
        raise UserError("captures and --map need --from: ionward simulate SYSTEM.toml --from CAPTURE…")
    from ionward.cli.simulation_view import print_result, progress_display
    from ionward.image.build import load_pack
    from ionward.proving.report import write_report
    from ionward.proving.scenario import built_in_scenario, load_scenario
    from ionward.proving.simulation import Simulation

    described, _ = load_pack(system)
    chosen = load_scenario(scenario) if scenario else built_in_scenario(described.system.profile)
    if duration is not None:
        chosen = chosen.shortened(duration)
    simulation = Simulation(described, chosen, seed, keep_traces=out is not None, wall_s=time.time())
    recorder = None
    if record is not None:
        from ionward.proving.recording import RunRecorder

        recorder = RunRecorder(record, described, chosen.file or chosen.scenario.name, seed, simulation.began)
    console = Console(stderr=as_json)
    with progress_display(console, chosen.scenario.name, quiet=as_json) as progress:
        result = simulation.run(progress, recorder)
    if out is not None:
        write_report(out, described, result)
    if as_json:
        print(json.dumps(result.as_json()))
        for words in result.masks:
            print(words, file=sys.stderr)
        for verdict in result.failed:
            print(f"not met: {verdict.text}: {verdict.found}", file=sys.stderr)
    else:
        print_result(console, described, result, out, record)
    if result.failed:
        raise typer.Exit(1)
