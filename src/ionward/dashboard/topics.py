"""What pages can follow and ask for: each topic made from `Live`, and the few addresses for charts."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from ionward.dashboard import cells, events, overview, remembered, system
from ionward.dashboard.doctor import Doctor
from ionward.dashboard.facts import Facts
from ionward.dashboard.hub import Topic
from ionward.dashboard.past import Past
from ionward.dashboard.trail import Trail
from ionward.runtime.live import Live

Item = dict[str, Any]

SIGNALS_MAX = 24
POINTS_MAX = 4000


class Looking:
    """Looks at one BMS for all pages: its state once per tick, shared by every topic that needs it."""

    def __init__(self, live: Live, facts: Facts, history_dir: Path | None) -> None:
        self.live, self.facts = live, facts
        self.trail = Trail(live.plan.size)
        self.past = Past(history_dir, self.trail)
        self._shares = system.Shares()
        self._doctor = Doctor(live.plan)
        self._state: Item | None = None

    def look(self) -> None:
        """Take over what is new; called in every tick."""
        self.live.refresh()
        self._state = None
        age_s = self.live.image_age_s
        if age_s is not None and age_s < 1.0:
            self.trail.keep(time.time(), self.live.image, self.live.raw)
        else:
            self.trail.gap(time.time())

    def state(self) -> Item:
        """The state of this tick."""
        if self._state is None:
            self._state = self.live.state()
        return self._state

    def topics(self) -> dict[str, Topic]:
        """How each kind of topic is made. Ticks are 0.2 s."""
        return {
            "frame": Topic(lambda _: overview.frame(self.state()), every=5, always=True),
            "overview": Topic(lambda _: overview.overview(self.state(), self.facts), always=True),
            "cells": Topic(self._cells, always=True),
            "cell": Topic(self._cell, always=True),
            "trail": Topic(lambda names: self.trail.latest(_names(names)), always=True),
            "events": Topic(lambda _: self.events(), every=2),
            "banners": Topic(lambda _: overview.banners(self.state()), every=2),
            "system": Topic(lambda _: self.system(), every=5, always=True),
        }

    def events(self) -> Item:
        """Everything that the events' page shows."""
        live = self.live
        return events.events_page(live.events(), live.fault_history(), live.fault_memory())

    def _cells(self, quantity: str) -> Item:
        return cells.all_cells(self.live.cells(), self.facts, quantity)

    def _cell(self, number: str) -> Item | None:
        if not number.isdecimal() or int(number) >= self.facts.cells:
            return None
        return cells.one_cell(self.live.cell(int(number)), self.facts)

    def system(self) -> Item:
        """Everything that the system's page shows."""
        live, now_s = self.live, time.monotonic()
        processes = live.processes()
        shares = self._shares.of(processes, now_s)
        of_cells = live.cells()
        control = processes.get("control", {})
        return {
            "processes": [system.process_row(name, process, shares[name]) for name, process in processes.items()],
            "enables": system.enable_rows(self.state()),
            "cycle": {
                "bins": system.histogram(live.histograms("control")),
                "period_us": 1e6 * self.facts.cycle_s,
                "took": control.get("cycle_us"),
                "late": control.get("lateness_us"),
                "overruns": system.overruns(control) if control else "",
            },
            "sensors": [
                system.many_row("cell voltages", of_cells["quality"], None),
                system.many_row("cell temperatures", of_cells["sensors"]["quality"], of_cells["sensors"]["age_s"]),
                *(system.measurement_row(row) for row in live.measurements()),
            ],
            "recorder": system.recorder_rows(live.recorder()),
            "notes": system.notes(live.plan, live.restored()),
            "problems": live.problems,
            "run": {
                "source": live.plan.source,
                "state_dir": live.plan.state_dir,
                "scenario": Path(live.plan.scenario).name,
                "simulated": live.plan.simulated,
            },
        }

    # Addresses.

    def routes(self) -> APIRouter:
        """What charts fetch: signals by name, the last minutes, history, and the values around an event."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/live/signals", self.signals)
        router.add_api_route("/live/trail", self.last_minutes)
        router.add_api_route("/live/history", self.history)
        router.add_api_route("/live/event/{number}", self.event)
        router.add_api_route("/live/memory/{fault}/{place}", self.remembered)
        router.add_api_route("/live/doctor", self._doctor.look)
        return router

    def signals(self) -> list[Item]:
        """Every signal that can be drawn."""
        return [
            {
                "name": c.name,
                "unit": c.signal.unit,
                "meaning": c.signal.meaning.replace("NaN", "no value"),
                "states": list(c.states),
            }
            for c in self.trail.columns
        ]

    def last_minutes(
        self, signals: str, seconds: float = Query(600.0, gt=0, le=3600), points: int = Query(1500, ge=2, le=POINTS_MAX)
    ) -> Item:
        """The last minutes of some signals, from memory."""
        return self.trail.window(_names(signals), time.time() - seconds, points)

    async def history(
        self, signals: str, from_s: float, to_s: float, points: int = Query(1000, ge=2, le=POINTS_MAX)
    ) -> Any:
        """Some signals between two moments, from the files of the history and from memory."""
        if not (math.isfinite(from_s) and math.isfinite(to_s) and 0 <= from_s < to_s):
            return JSONResponse({"detail": "the end must come after the beginning"}, 422)
        return await self.past.ask(_names(signals), from_s, to_s, points)

    def event(self, number: int) -> Any:
        """What was before and after an event."""
        found = events.around(self.live.event_values(number))
        return found if found is not None else JSONResponse({"detail": "nothing was kept of this event"}, 404)

    def remembered(self, fault: str, place: int) -> Any:
        """A fault of the memory with its freeze frames."""
        found = self.live.remembered_fault(fault, place)
        if not found:
            return JSONResponse({"detail": "nothing is remembered of this fault any more"}, 404)
        return remembered.frames(found[0])


def _names(text: str) -> list[str]:
    """Names of signals, from a list with commas; no more than a chart can hold."""
    return [name for name in text.split(",") if name][:SIGNALS_MAX]
