"""`ionward prove`: inject every fault into a simulated pack and measure what the BMS does about it."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ionward.battery.site import is_site_file
from ionward.errors import UserError


def prove(
    system: Annotated[Path, typer.Argument(help="File of a pack or of a site (TOML).")],
    fault: Annotated[str | None, typer.Option(help="Only this fault (`ionward faults` lists them).")] = None,
    point: Annotated[str | None, typer.Option(help="Only this operating point, such as charge or standby.")] = None,
    random: Annotated[bool, typer.Option("--random/--no-random", help="The campaign of random faults.")] = True,
    cases: Annotated[
        bool, typer.Option("--cases/--no-cases", help="Single faults and fault-free drives; else the campaign alone.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the campaign.")] = 1,
    scenarios: Annotated[
        int | None, typer.Option(min=1, help="Of a site: scenarios of the campaign, instead of about a minute's worth.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="Simulated hours of the campaign, instead of about a minute's worth.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Journal of the campaign (JSON lines): go on where it was interrupted.")
    ] = None,
    replay: Annotated[
        str | None, typer.Option(help="Replay one scenario of the campaign: SEED:NUMBER or SEED:NUMBER:FAULTS.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes to use; 0: as many as there are cores, at most 2.")
    ] = 0,
    html: Annotated[Path | None, typer.Option(help="Write a report, complete in one file.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show every case, not only those that failed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove a pack: every fault is injected into its simulated battery, and the reaction is measured and judged.

    Of a site of several packs the campaign is run: random combined faults, and what must never happen.

    Exit code 1 when a fault is missed, late or falsely raised, or an invariant is broken; 2 for wrong input.
    """
    if hours is not None and not (math.isfinite(hours) and hours > 0):
        raise UserError(f"--hours {hours:g}: allowed: a number of simulated hours above 0")
    if is_site_file(system):
        from ionward.cli.prove_site import prove_site

        for option, given in (("--fault", fault), ("--point", point), ("--html", html), ("--all", show_all),
                              ("--no-random", not random), ("--no-cases", not cases)):  # fmt: skip
            if given:
                raise UserError(f"{system}: is a site, of which the campaign alone is run; leave {option} out")
        if scenarios is not None and hours is not None:
            raise UserError("--scenarios and --hours both say how much is run; leave one of them out")
        prove_site(system, seed, scenarios, hours, resume, replay, workers, as_json)
        return
    if scenarios is not None:
        raise UserError(f"{system}: is a single pack; --scenarios is for a site: give --hours instead")
    from ionward.cli.prove_view import print_proof, print_replay, progress_display
    from ionward.image.build import load_pack
    from ionward.image.masks import Moment, with_masks
    from ionward.proving.prove.proof import Wanted, check_selection
    from ionward.proving.prove.proof import prove as prove_pack

    check_selection(fault, point)
    if not (cases or random):
        raise UserError("--no-cases --no-random: nothing is left to prove; leave one of them out")
    if not cases and (fault is not None or point is not None):
        raise UserError("--no-cases: --fault and --point choose among the cases; leave one of them out")
    if html is not None and not html.parent.is_dir():
        raise UserError(f"--html {html}: the folder {html.parent} does not exist; make it first")
    described, parameters = load_pack(system)
    parameters = with_masks(parameters, described.masks, Moment(time.time()))
    console = Console(stderr=as_json, highlight=False)
    if replay is not None:
        if print_replay(console, described, parameters, replay):
            raise typer.Exit(1)
        return
    wanted = Wanted(fault, point, random, seed, hours, resume, workers, cases)
    with progress_display(console, quiet=as_json) as report:
        proof = prove_pack(described, parameters, report, wanted)
    if html is not None:
        from ionward.proving.prove.html import write_html

        write_html(html, proof, parameters)
    if as_json:
        print(json.dumps(proof.as_json(), ensure_ascii=False))
    else:
        print_proof(console, proof, show_all)
        if html is not None:
            console.print(f"Report: [bold]{html}")
    if not proof.ok:
        raise typer.Exit(1)
