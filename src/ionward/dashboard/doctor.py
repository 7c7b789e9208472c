"""The machine's check-up on a screen: `ionward doctor` in a process of its own, when somebody asks for it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from ionward.runtime.plan import Plan

Item = dict[str, Any]

SECONDS = 2.0  # for each loop; some ten seconds in all
TIMEOUT_S = 90.0
KEEP_S = 30.0
LEVELS = {"good": "ok", "limited": "warning", "bad": "fault"}


class Doctor:
    """Asks once for all who look: while a check runs others wait for it, and for a while after they get the same."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = asyncio.Lock()
        self._kept: Item | None = None
        self._kept_s = float("-inf")

    async def look(self) -> Item:
        """`rows` of what was found, and `problem` where it could not be."""
        async with self._lock:
            if self._kept is None or time.monotonic() - self._kept_s > KEEP_S:
                self._kept = await self._ask()
                self._kept_s = time.monotonic()
            return self._kept

    async def _ask(self) -> Item:
        command = [sys.executable, "-m", "ionward.cli.main", "doctor", "--json", "--seconds", f"{SECONDS:g}"]
        process = await asyncio.create_subprocess_exec(
            *command, "--state-dir", self._plan.state_dir, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
            return {"rows": rows(json.loads(out), self._plan), "problem": ""}
        except (TimeoutError, ValueError, KeyError):
            if process.returncode is None:
                process.kill()
            return {"rows": [], "problem": "the check gave no answer; try `ionward doctor` in a terminal"}


def rows(found: Item, plan: Plan) -> list[Item]:
    """The verdict for packs of this profile first, then what is not as it should be, then the rest."""
    profile = plan.system["system"]["profile"]
    out = [
        _row(f"A pack of the profile {verdict['name']}", verdict["verdict"], "", "")
        for verdict in found["verdicts"]
        if verdict["profile"] == profile
    ]
    checks = [_row(c["name"], c["verdict"], c["figure"], c["change"]) for c in found["checks"]]
    return out + sorted(checks, key=lambda row: row["level"] == "ok")


def _row(name: str, verdict: str, figure: str, change: str) -> Item:
    name = name[:1].upper() + name[1:]
    return {"name": name, "level": LEVELS.get(verdict, "info"), "word": verdict, "figure": figure, "change": change}
