"""What the HTTP API tells: state, cells, processes, events, the catalogue, live values and history."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi import Path as InPath

from ionward.errors import UserError
from ionward.gateway import api_models as m
from ionward.gateway import api_now as now
from ionward.gateway.api_answers import Problem
from ionward.gateway.provider import Provider, render
from ionward.image.faults import BY_ID, FAULTS
from ionward.runtime.live_commands import injectable
from ionward.runtime.live_signals import SignalReader
from ionward.runtime.live_state import iso_time
from ionward.runtime.plan import Plan
from ionward.runtime.service_locks import checks_of

JSON = "application/json"
VALUES_MAX = 5000
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is no such thing"}}
WRONG: dict[int | str, dict[str, Any]] = {422: {"model": Problem, "description": "What is wrong, in one sentence"}}
ABSENT: dict[int | str, dict[str, Any]] = {503: {"model": Problem, "description": "Not there now, and why"}}
Count = Annotated[int, Query(ge=1, le=2000, description="How many at most")]


def json_response(body: bytes) -> Response:
    """Ready JSON as a response."""
    return Response(body, media_type=JSON)


def read_routes(provider: Provider, signals: SignalReader) -> APIRouter:
    """All routes that only tell."""
    routes = APIRouter()
    _state_routes(routes, provider)
    _event_routes(routes, provider)
    _memory_routes(routes, provider)
    _catalogue_routes(routes, provider)
    _signal_routes(routes, provider, signals)
    return routes


def _state_routes(routes: APIRouter, provider: Provider) -> None:
    @routes.get("/state", response_model=now.StateNow, tags=["state"])
    async def state() -> Response:
        """The pack now: state, SOC, voltages, current, contactors, enables, limits with what sets them, faults."""
        return json_response(provider.rendered("state"))

    @routes.get("/cells", response_model=now.CellsNow, tags=["state"])
    async def cells() -> Response:
        """All cells: an array for each quantity."""
        return json_response(provider.rendered("cells"))

    @routes.get("/cells/{number}", response_model=now.CellNow, responses=NOT_FOUND | WRONG, tags=["state"])
    async def cell(number: Annotated[int, InPath(description="Cell, from 0")]) -> Response:
        """Everything about one cell."""
        try:
            return json_response(render(provider.look().cell(number)))
        except IndexError as error:
            raise HTTPException(404, str(error)) from None

    @routes.get("/processes", response_model=dict[str, now.Process], tags=["system"])
    async def processes() -> Response:
        """The processes of the BMS: alive, CPU, memory, overruns and cycle times."""
        return json_response(provider.rendered("processes"))

    @routes.get("/recorder", response_model=now.RecorderNow, tags=["system"])
    async def recorder() -> Response:
        """The recorder: what it has written and dropped, and how old the surviving state on disk is."""
        return json_response(provider.rendered("recorder"))

    @routes.get("/measurements", response_model=list[now.Measurement], tags=["system"])
    async def measurements() -> Response:
        """Health of every fitted measurement that the pack has once."""
        return json_response(provider.rendered("measurements"))


def _event_routes(routes: APIRouter, provider: Provider) -> None:
    @routes.get("/events", response_model=m.Events, responses=WRONG, tags=["events"])
    async def events(
        limit: Count = 200,
        since: Annotated[int, Query(ge=0, description="Only events with a higher number")] = 0,
        kind: Annotated[str, Query(max_length=20, description="Only events of this kind")] = "",
    ) -> Response:
        """What has happened since this service started, and what control still remembers; newest first."""
        live = provider.look()
        faults, lost = live.fault_history(), live.events_log.lost
        return json_response(render({"events": live.events(limit, kind, since), "faults": faults, "lost": lost}))

    @routes.get("/events/{number}", response_model=m.EventValues, responses=NOT_FOUND | WRONG, tags=["events"])
    async def event(number: int) -> Response:
        """Key values from two seconds before an event to two seconds after it."""
        values = provider.look().event_values(number)
        if values is None:
            raise HTTPException(404, f"no values are kept around an event {number}: see /events")
        return json_response(render(values))


def _memory_routes(routes: APIRouter, provider: Provider) -> None:
    @routes.get("/faults/memory", response_model=m.FaultMemoryNow, tags=["events"])
    async def memory() -> Response:
        """What has failed and where, over restarts: status, counts, first and last time, ageing."""
        return json_response(await asyncio.to_thread(lambda: render(provider.live.fault_memory())))

    @routes.get(
        "/faults/memory/{fault}", response_model=m.RememberedFaults, responses=NOT_FOUND | WRONG, tags=["events"]
    )
    async def remembered(
        fault: Annotated[str, InPath(max_length=64, examples=["cell_overvoltage"])],
        place: Annotated[int | None, Query(ge=-1, description="At this place only; -1: the pack as a whole")] = None,
    ) -> Response:
        """One fault of the memory with its freeze frames: the second before it and the second after it."""
        if fault not in BY_ID:
            raise HTTPException(404, f"there is no fault '{fault[:64]}'; see /faults")
        found = await asyncio.to_thread(provider.live.remembered_fault, fault, place)
        if not found:
            raise HTTPException(404, f"{fault} is not in the fault memory{'' if place is None else ' at this place'}")
        return json_response(render({"entries": found}))


def _catalogue_routes(routes: APIRouter, provider: Provider) -> None:
    plan = provider.live.plan

    @cache
    def summary() -> dict[str, Any]:
        from ionward.battery.system import System
        from ionward.image.summary import pack_summary

        return pack_summary(System.from_dict(plan.system))

    @cache
    def catalogue() -> bytes:
        rules = summary()["faults"]
        return render({"faults": [_kind(fault, rules[fault.id]) for fault in FAULTS], "injectable": _injectable()})

    def _injectable() -> list[dict[str, Any]]:
        if not plan.simulated:
            return []
        dropped = ("minimum", "maximum")
        return [{k: v for k, v in asdict(fault).items() if k not in dropped} for fault in injectable()]

    @cache
    def description() -> bytes:
        return render({"summary": summary(), "source": plan.source, "simulated": plan.simulated,
                       "cycle_s": plan.cycle_s, "roles": list(plan.roles), "notes": list(plan.notes)})  # fmt: skip

    @cache
    def compared() -> bytes:
        return _profiles(plan)

    @routes.get("/faults", response_model=m.FaultKinds, tags=["catalogue"])
    async def faults() -> Response:
        """Every fault: what it means, what to do, this pack's thresholds; and what can be injected."""
        return json_response(await asyncio.to_thread(catalogue))

    @routes.get("/system", response_model=dict[str, Any], tags=["catalogue"])
    async def system() -> Response:
        """The pack in figures, as `ionward check --json` tells them."""
        return json_response(await asyncio.to_thread(description))

    @routes.get("/profiles", response_model=m.Profiles, tags=["catalogue"])
    async def profiles() -> Response:
        """EV and storage side by side, with this pack as the third."""
        return json_response(await asyncio.to_thread(compared))


def _kind(fault: Any, rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": fault.id,
        "name": fault.name,
        "meaning": fault.meaning,
        "action": fault.action,
        "unit": fault.unit,
        "scope": fault.scope,
        "direction": fault.direction,
        "dtc": f"{fault.dtc:06X}",
        "requirement": fault.requirement,
        "latching": fault.latching,
        "service": fault.service,
        "maskable": fault.maskable,
        "checks": checks_of(fault.id),
        "blocks": fault.blocks,
        "judged": rule["judged"],
        "levels": rule["levels"],
    }


def _profiles(plan: Plan) -> bytes:
    from ionward.battery.system import System
    from ionward.runtime import profiles_view

    own = System.from_dict(plan.system)
    names = ["ev", "storage", plan.name]
    rows = [
        {"section": row.section, "label": row.label, "why": row.why, "values": list(row.values), "differs": row.differs}
        for row in profiles_view.comparison(own)
    ]
    return render({"systems": names, "rows": rows})


def _signal_routes(routes: APIRouter, provider: Provider, signals: SignalReader) -> None:
    kinds = cache(lambda: render({"signals": signals.kinds()}))

    @routes.get("/signals", response_model=m.SignalKinds, tags=["catalogue"])
    async def known() -> Response:
        """Every quantity that has a name."""
        return json_response(kinds())

    @routes.get("/signals/{names}", response_model=m.SignalValues, responses=NOT_FOUND | WRONG, tags=["state"])
    async def values(
        names: Annotated[str, InPath(max_length=2000, examples=["soc,cell_voltage_v[0:8]"])],
    ) -> Response:
        """Live values by name: `soc`, `cell_voltage_v[3]`, `cell_voltage_v[0:8]`, `pack_voltage_v.quality`, `*_c`;
        several with commas between."""
        try:
            reader = signals.reader(tuple(names.split(",")), VALUES_MAX)
        except UserError as error:
            raise HTTPException(404, "; ".join(error.problems)) from None
        live = provider.look()
        snapshot = live.snapshot()
        found = signals.values(live, reader)
        units = {column.name: column.signal.unit for column in reader.columns}
        return json_response(render({"time": iso_time(snapshot.wall_s), "image_age_s": snapshot.image_age_s,
                                     "values": found, "units": units}))  # fmt: skip
