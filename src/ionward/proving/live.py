"""A run in real time, prepared: pack and scenario in; parameters, the simulated battery and the plan's values out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from ionward.battery.masks import Mask
from ionward.battery.system import System
from ionward.image.build import build_parameters, system_size
from ionward.image.guard_limits import guard_limits
from ionward.image.parameters import Parameters
from ionward.proving.scenario import Scenario, built_in_scenario, load_scenario
from ionward.proving.simulation import Simulation
from ionward.runtime.enables import default_expiry_s
from ionward.runtime.plan import Plan
from ionward.twin.plant import Plant


@dataclass
class Prepared:
    """What the supervisor needs to start a run. `plan` still lacks what only the command line knows, and `parameters`
    the ends of `masks`, which follow from when the run begins.
    """

    plan: Plan
    parameters: Parameters
    plant: Plant | None = None
    fingerprint: str = ""
    notes: list[str] = field(default_factory=list)
    masks: Sequence[Mask] = ()


def live_scenario(profile: str) -> Scenario:
    """The scenario of a live run when none is named: short and repeated where there is one, else that of `simulate`."""
    path = resources.files("ionward.proving") / "scenarios" / "live" / f"{profile}.toml"
    if not path.is_file():
        return built_in_scenario(profile)
    with resources.as_file(path) as file:
        return load_scenario(file)


def prepare_twin(system: System, scenario: Scenario, repeat: bool, seed: int = 1) -> Prepared:
    """A live run on the simulated battery.

    Raises:
        UserError: the scenario does not fit the pack; all problems at once.
    """
    simulation = Simulation(system, scenario, seed, keep_traces=False)
    plan = replace(
        live_plan(system),
        scenario=scenario.scenario.name,
        scenario_s=scenario.scenario.duration_s,
        repeat=repeat,
        timeline=tuple(_timeline(scenario)),
        seed=seed,
    )
    same = {name: value for name, value in plan.system.items() if name != "masks"}  # they change nothing of the battery
    told = json.dumps([same, scenario.model_dump(mode="json"), seed], sort_keys=True)
    fingerprint = hashlib.sha256(told.encode()).hexdigest()
    return Prepared(plan, build_parameters(system), simulation.bench.plant, fingerprint, masks=system.masks)


def prepare_captures(system: System, paths: Sequence[Path], mapping: Sequence[str]) -> Prepared:
    """A live run on measured captures, at the pace at which they were taken.

    Raises:
        UserError: a capture cannot be read or does not fit the pack.
    """
    from ionward.battery.logs import parse_mapping
    from ionward.hardware.captures import read_captures
    from ionward.proving.measured import MeasuredRun

    captures = read_captures(list(paths), system, system_size(system), parse_mapping(list(mapping)))
    run = MeasuredRun(system, captures)
    plan = replace(
        live_plan(run.system),
        source=run.start.source,
        simulated=False,
        driver="captures",
        watchdog="",  # nothing is driven here
        captures=tuple(str(Path(p).resolve()) for p in paths),
        mapping=tuple(mapping),
        start=asdict(run.start),
        scenario_s=captures.last_s - captures.first_s,
        repeat=False,
    )
    missing = [f"not in the captures: {name}" for name in run.start.missing_channels]
    return Prepared(plan, run.parameters, notes=[*run.changes, *missing], masks=system.masks)


def live_plan(system: System) -> Plan:
    """The plan of a pack on its own; what it runs on and where comes on top."""
    cycle_s = system.cycle.period_s
    return Plan(
        name=system.system.name,
        system=system.as_dict(),
        size=system_size(system),
        cycle_s=cycle_s,
        state_dir="",
        guard=guard_limits(system).as_dict(),
        watchdog=system.watchdog.device,
        watchdog_timeout_s=system.watchdog.timeout_s,
        enable_expiry_s=system.cycle.enable_expiry_s or default_expiry_s(cycle_s),
    )


def _timeline(scenario: Scenario) -> list[dict[str, Any]]:
    """Commands and faults of a scenario in the order of their times."""
    actions: list[dict[str, Any]] = [
        {"kind": "command", **command.model_dump(exclude_none=True)} for command in scenario.command
    ]
    for fault in scenario.fault:
        place = {"name": fault.name, "place": fault.place}
        actions.append({"kind": "inject", "at_s": fault.at_s, "value": fault.value, **place})
        if fault.for_s is not None:
            actions.append({"kind": "end", "at_s": fault.at_s + fault.for_s, **place})
    return sorted(actions, key=lambda action: float(action["at_s"]))
