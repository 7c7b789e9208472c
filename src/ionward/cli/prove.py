"""`ionward prove`: inject every fault into a simulated pack and measure what the BMS does about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def prove(
    system: Annotated[Path, typer.Argument(help="System file (TOML).")],
    fault: Annotated[str | None, typer.Option(help="Only this fault (`ionward faults` lists them).")] = None,
    point: Annotated[str | None, typer.Option(help="Only this operating point, such as charge or standby.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show every case, not only those that failed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove a pack: every fault is injected into its simulated battery, and the reaction is measured and judged.

    Exit code 1 when a fault is missed, late or falsely raised, 2 for wrong input.
    """
    from ionward.cli.prove_view import print_proof, progress_display
    from ionward.image.build import load_pack
    from ionward.proving.prove.proof import check_selection
    from ionward.proving.prove.proof import prove as prove_pack

    check_selection(fault, point)
    described, parameters = load_pack(system)
    console = Console(stderr=as_json, highlight=False)
    with progress_display(console, quiet=as_json) as report:
        proof = prove_pack(described, parameters, report, fault, point)
    if as_json:
        print(json.dumps(proof.as_json(), ensure_ascii=False))
    else:
        print_proof(console, proof, show_all)
    if not proof.ok:
        raise typer.Exit(1)
