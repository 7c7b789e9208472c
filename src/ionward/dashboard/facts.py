"""What never changes while a BMS runs: names, sizes and ratings of its pack, for all screens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ionward.dashboard import figures
from ionward.runtime.plan import Plan

LOADS = {"ev": "Vehicle", "storage": "Converter", "home": "Inverter", "bench": "Cycler"}


CONTACTOR_NAMES = {"main_positive": "Main +", "main_negative": "Main −", "precharge": "Precharge"}
ONE_WAY_NAMES = {"main_positive": "Discharge (Main +)", "main_negative": "Charge (Main −)", "precharge": "Precharge"}


@dataclass(frozen=True)
class Facts:
    """The pack in what the screens need of it. Currents in A, all positive."""

    name: str
    profile: str
    simulated: bool
    source: str
    cells: int
    modules: int
    parallel: int
    contactors: bool
    one_way: bool
    precharge: bool
    precharge_ohm: float
    fuse_a: float | None
    pyrofuse: bool
    dead_v: float
    break_a: float | None
    charge_max_a: float
    discharge_max_a: float
    charge_pulse_a: float
    discharge_pulse_a: float
    pulse_s: float
    balancing: bool
    cooling: str
    cycle_s: float

    @property
    def load(self) -> str:
        """What hangs on the DC link, in a word."""
        return LOADS.get(self.profile, "Load")

    @property
    def cells_per_module(self) -> int:
        """Cells in series of one module."""
        return max(1, self.cells // max(1, self.modules))

    @property
    def contactor_names(self) -> dict[str, str]:
        """What the contactors are called: one-way switches by the direction that they block."""
        return ONE_WAY_NAMES if self.one_way else CONTACTOR_NAMES

    def module_of(self, cell: int) -> int:
        """Module of a cell, both from 0."""
        return min(cell // self.cells_per_module, self.modules - 1)

    def drawing(self) -> dict[str, Any]:
        """What the single-line diagram draws of this pack."""
        parallel = f"{self.parallel}p" if self.parallel > 1 else ""
        return {
            "cells": f"{self.cells}s{parallel}",
            "series": self.cells,
            "modules": self.modules,
            "contactors": self.contactors,
            "one_way": self.one_way,
            "names": self.contactor_names,
            "precharge": figures.one(figures.resistance(self.precharge_ohm)) if self.precharge else None,
            "fuse": None if self.fuse_a is None else f"Fuse {self.fuse_a:g} A",
            "pyrofuse": self.pyrofuse,
            "load": self.load,
        }


def facts_of(plan: Plan) -> Facts:
    """The facts of the pack that a plan describes."""
    system = plan.system
    contactors, precharge, fuse, limits = (system[name] for name in ("contactors", "precharge", "fuse", "limits"))
    fitted = bool(contactors["fitted"])
    return Facts(
        name=plan.name or str(system["system"]["name"]),
        profile=str(system["system"]["profile"]),
        simulated=plan.simulated,
        source=plan.source,
        cells=plan.size.cells,
        modules=max(1, plan.size.modules),
        parallel=int(system["topology"]["cells_in_parallel"]),
        contactors=fitted,
        one_way=fitted and bool(contactors["one_way"]),
        precharge=fitted and bool(precharge["fitted"]),
        precharge_ohm=float(precharge["resistance_ohm"]),
        fuse_a=float(fuse["rating_a"]) if fuse["fitted"] else None,
        pyrofuse=bool(fuse["fitted"] and fuse["pyrofuse"]),
        dead_v=float(system["dc_link"]["dead_v"]),
        break_a=float(contactors["break_current_a"]) if fitted else None,
        charge_max_a=float(limits["charge_current_max_a"]),
        discharge_max_a=float(limits["discharge_current_max_a"]),
        charge_pulse_a=float(limits["charge_current_pulse_a"]),
        discharge_pulse_a=float(limits["discharge_current_pulse_a"]),
        pulse_s=float(limits["pulse_s"]),
        balancing=system["balancing"]["kind"] != "none",
        cooling=str(system["cooling"]["kind"]),
        cycle_s=plan.cycle_s,
    )
