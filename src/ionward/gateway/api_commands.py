"""Commands over HTTP: handed to control, answered with control's own answer."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from ionward.gateway import api_models as m
from ionward.gateway.api_answers import Problem
from ionward.gateway.provider import Provider
from ionward.runtime.live_commands import RELEASE, command_problem, release_value

INJECT = "inject"


def command_routes(provider: Provider) -> APIRouter:
    """The one route that changes anything."""
    routes = APIRouter()

    @routes.post(
        "/commands",
        response_model=m.CommandAnswer,
        responses={
            408: {"model": Problem, "description": "The body did not come in time"},
            413: {"model": Problem, "description": "The body is larger than 64 kB"},
            422: {"model": m.CommandProblem, "description": "The command makes no sense, and why"},
        },
        tags=["commands"],
    )
    async def command(body: m.CommandBody) -> JSONResponse:
        """Give a command and wait for the answer, half a second at most.

        A command that makes sense is answered with 200: `accepted` false with the BMS's reason is an answer, too.
        """
        problem = malformed(body)
        if problem is None and body.command == INJECT and provider.live.plan.simulated:
            problem = provider.live.injection_problem(body.fault, body.place, body.value, body.end)
        if problem is not None:
            return JSONResponse({"detail": problem, "accepted": False, "reason": problem}, 422)
        if body.command == INJECT:
            answer = await provider.live.inject_async(body.fault, body.place, body.value, body.end)
        else:
            value = release_value(body.fault) if body.command == RELEASE else body.value
            answer = await provider.live.command_async(body.command, value)
        accepted, reason = answer
        return JSONResponse({"accepted": accepted, "reason": reason})

    return routes


def malformed(body: m.CommandBody) -> str | None:
    """What is wrong with the combination of a command's fields, in one sentence; None when nothing is."""
    if body.command == INJECT:
        if body.fault is None and (body.place is not None or body.value is not None):
            return "inject: fault is missing; name one of the catalogue (GET /api/v1/faults)"
        return None
    if body.command == RELEASE:
        if body.place is not None or body.value is not None or body.end:
            return "release: takes a fault only; leave place, value and end out"
        return command_problem(body.command, release_value(body.fault))
    extra = [name for name in ("fault", "place") if getattr(body, name) is not None] + ["end"] * body.end
    if extra:
        only = "inject and release" if extra[0] == "fault" else "inject"
        return f"{body.command}: {extra[0]} goes with {only} only; leave it out"
    return command_problem(body.command, body.value)
