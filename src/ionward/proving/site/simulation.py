"""One run of a site: a site, a scenario and a seed in; the story, events, verdicts, a digest and traces out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ionward.battery.site import Site
from ionward.control.entry import tick_address
from ionward.image.masks import Moment, masked_words
from ionward.image.signals import SEQUENCE_REASONS, STATE_CONNECTED, STATE_STANDBY, STATES
from ionward.proving.closed_loop import CHANGE
from ionward.proving.events import EventReader
from ionward.proving.expectations import Verdict, judge, set_watches
from ionward.proving.simulation import CHUNK_S, Progress, RunResult
from ionward.proving.site.actions import Action, actions_of
from ionward.proving.site.checks import checked
from ionward.proving.site.loop import LIFE, SITE, run_site
from ionward.proving.site.network import DELAY_S, MAIL
from ionward.proving.site.scenario import SiteScenario
from ionward.proving.site.table import Table
from ionward.proving.site.traces import SiteTraces
from ionward.proving.site.world import SiteWorld
from ionward.proving.watch import TRUTH
from ionward.runtime.digests import Digests
from ionward.twin.rows import SET

LIMITS_MOVED = 0.1  # a change of the site's limits by so much is worth telling


@dataclass
class PackResult:
    """How one unit and its pack are at the end."""

    name: str
    state: str
    connected: bool
    current_a: float
    reason: str
    soc: float
    soc_true: float
    running: bool

    def as_json(self) -> dict[str, Any]:
        """For `--json`; what is not known is null."""
        return {
            "name": self.name,
            "state": self.state,
            "connected": self.connected,
            "current_a": self.current_a,
            "reason": self.reason,
            "soc": self.soc if self.soc == self.soc else None,
            "soc_true": self.soc_true,
            "running": self.running,
        }


@dataclass
class SiteResult(RunResult):
    """What came out of a run. `story` `(time_s, who, what)` in order; events say their `unit`."""

    packs: list[PackResult] = field(default_factory=list)
    story: list[tuple[float, str, str]] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)
    speaker: str | None = None
    mail: dict[str, int] = field(default_factory=dict)
    traces: SiteTraces | None = field(repr=False, default=None)

    def as_json(self) -> dict[str, Any]:
        """The object that `ionward simulate --json` prints."""
        return super().as_json() | {
            "packs": [pack.as_json() for pack in self.packs],
            "speaker": self.speaker,
            "term": int(self.facts["term"]),
            "site_limits": {
                "charge_a": self.facts["site_charge_limit_a"],
                "discharge_a": self.facts["site_discharge_limit_a"],
            },
            "messages": self.mail,
        }


class SiteSimulation:
    """A site in a scenario, prepared and checked. `run` it once."""

    def __init__(
        self, site: Site, scenario: SiteScenario, seed: int = 1, keep_traces: bool = True, wall_s: float | None = None
    ) -> None:
        """Prepare a run. `wall_s` is when it is taken to begin, in seconds since 1970: without it no mask holds.

        Raises:
            UserError: the scenario does not fit the site; all problems at once.
        """
        self.site, self.scenario, self.seed = site, scenario, seed
        self.names = [unit.name for unit in site.units]
        self.cycle_s = site.units[0].system.cycle.period_s
        self.ticks = max(1, self.tick_at(scenario.scenario.duration_s))
        ready = checked(site, scenario)
        self.unit_checks, self.site_checks = ready.units, ready.site
        self.began = Moment(wall_s) if wall_s is not None else None
        chunk = max(1, round(CHUNK_S / self.cycle_s))
        delays = [trouble.delay_s for trouble in scenario.trouble if trouble.delay_s is not None]
        self.sim = SiteWorld(
            site, scenario.start, scenario.environment.ambient_c, ready.profile, seed, chunk,
            [len(checks) for checks in self.unit_checks], len(self.site_checks), max([DELAY_S, *delays]), self.began,
        )  # fmt: skip
        self._set_source()
        end_s = self.ticks * self.cycle_s
        for checks, unit in zip(self.unit_checks, self.sim.units, strict=True):
            set_watches(checks, unit.watches, self.cycle_s, end_s)
        set_watches(self.site_checks, self.sim.world.watches, self.cycle_s, end_s)
        self.traces = SiteTraces(self.names) if keep_traces else None
        self.actions = actions_of(self.sim, scenario, self.tick_at)
        self.story: list[tuple[float, str, str]] = []
        self._told = [(STATES[STATE_STANDBY], False)] * len(self.names)
        self._limits = self._limits_told = (0.0, 0.0)

    def tick_at(self, time_s: float) -> int:
        """The first cycle at or after a time."""
        return int(np.ceil(time_s / self.cycle_s - 1e-6))

    def _set_source(self) -> None:
        source, settings = self.scenario.source, self.sim.bus.settings
        settings[SET.load_obeys], settings[SET.charger_obeys] = source.load_obeys, source.charger_obeys
        if source.charge_voltage_v is not None:
            settings[SET.charge_voltage_v] = source.charge_voltage_v
        if source.slew_a_per_s is not None:
            settings[SET.slew_a_per_s] = source.slew_a_per_s

    def run(self, progress: Callable[[Progress], None] | None = None) -> SiteResult:
        """Run to the end of the scenario."""
        units, world = self.sim.units, self.sim.world
        readers = [EventReader() for _ in units]
        digests = [Digests(unit.words.shape[1]) for unit in units]
        events: list[dict[str, Any]] = []
        pending: list[Action] = list(self.actions)
        taken: list[tuple[float, str]] = []
        chunk = units[0].words.shape[0]
        address, table = tick_address(), Table(units)
        run_site(address, table.places, units[0], world, 0)  # compiling takes a while the first time: no part of it
        done, began = 0, time.perf_counter()
        while done < self.ticks:
            while pending and pending[0].tick <= done:
                action = pending.pop(0)
                who = action.do()
                taken.append((done * self.cycle_s, f"{who}: {action.words}" if who else action.words))
                self.story.append((done * self.cycle_s, who, action.words))
                for reader, boots in zip(readers, self.sim.boots, strict=True):
                    reader.started(boots)
            # Chunks end one tick after whole seconds, so that traces show whole seconds.
            ticks = min(self.ticks - done, chunk - (done - 1) % chunk)
            if pending:
                ticks = min(ticks, pending[0].tick - done)
            speeches = run_site(address, table.places, units[0], world, ticks)
            done += ticks
            self._tell_speakers(speeches)
            for k, unit in enumerate(units):
                digests[k].update(unit.words[:ticks])
                events += [{"unit": self.names[k], **event} for event in readers[k].read(unit.image)]
                self._tell_changes(k)
            if (done - 1) % chunk == 0:
                self._tell_limits(done)
                if self.traces is not None:
                    self.traces.keep(self.sim)
                if progress is not None:
                    progress(self._progress(done, began, len(events)))
        wall_s = time.perf_counter() - began
        together = hashlib.sha256("".join(d.hexdigest() for d in digests).encode()).hexdigest()
        if self.traces is not None:
            self.traces.close()
        events.sort(key=lambda event: event["time_s"])
        return self._result(done, wall_s, together, events, sum(r.lost for r in readers), taken)

    def _tell_speakers(self, count: int) -> None:
        for at_s, speaker, term in self.sim.world.speeches[:, :count].T:
            who = self.names[int(speaker)] if speaker >= 0 else ""
            self.story.append((float(at_s), who, f"speaks for the site (term {int(term)})" if who else "nobody speaks"))

    def _tell_changes(self, k: int) -> None:
        """Tell changes of the state, and of both main contacts together; why a pack waits changes far more often."""
        for column in range(int(self.sim.world.life[LIFE.noted, k])):
            change = self.sim.units[k].changes[:, column]
            state, reason = STATES[int(change[CHANGE.state])], SEQUENCE_REASONS[int(change[CHANGE.reason])]
            closed = bool(change[CHANGE.main_positive] * change[CHANGE.main_negative])
            before, self._told[k] = self._told[k], (state, closed)
            if before == self._told[k]:
                continue
            words = f"{state}{f' ({reason})' if reason else ''}" if before[0] != state else ""
            if before[1] != closed:
                words += f"{', ' if words else ''}contacts {'closed' if closed else 'open'}"
            self.story.append((float(change[CHANGE.time_s]), self.names[k], words))

    def _tell_limits(self, done: int) -> None:
        """Tell limits that have come to rest somewhere else; while they rise slowly each second is not worth a line."""
        facts = self.sim.world.facts
        now = (float(facts[SITE.site_charge_limit_a]), float(facts[SITE.site_discharge_limit_a]))
        rests = all(abs(a - b) <= 0.01 * max(a, 1.0) for a, b in zip(now, self._limits, strict=True))
        moved = any(abs(a - b) > LIMITS_MOVED * max(a, b, 1.0) for a, b in zip(now, self._limits_told, strict=True))
        if rests and moved:
            self._limits_told = now
            words = f"site limits: charge {now[0]:.0f} A, discharge {now[1]:.0f} A"
            self.story.append((done * self.cycle_s, "", words))
        self._limits = now

    def _progress(self, done: int, began: float, events: int) -> Progress:
        facts = self.sim.world.facts
        socs = [float(unit.truth[TRUTH.soc_mean]) for unit in self.sim.units]
        return Progress(
            done * self.cycle_s, self.ticks * self.cycle_s, time.perf_counter() - began,
            f"{int(facts[SITE.connected])} of {len(socs)}", float(np.mean(socs)), float(facts[SITE.current_a]), events,
        )  # fmt: skip

    def _packs(self) -> list[PackResult]:
        packs = []
        for k, unit in enumerate(self.sim.units):
            s, truth = unit.image.scalars, unit.truth
            running = bool(self.sim.world.life[LIFE.runs, k])
            connected = bool(truth[TRUTH.contactors_closed])
            reason = SEQUENCE_REASONS[int(s["state_reason"][0])] if s["state"][0] != STATE_CONNECTED else ""
            packs.append(
                PackResult(
                    self.names[k],
                    STATES[int(s["state"][0])] if running else "gone",
                    connected,
                    float(truth[TRUTH.current_a]),
                    reason if running else "its unit does not run",
                    float(s["soc"][0]),
                    float(truth[TRUTH.soc_mean]),
                    running,
                )
            )
        return packs

    def _verdicts(self, events: list[dict[str, Any]], end_s: float) -> list[Verdict]:
        verdicts = judge(self.site_checks, self.sim.world.watches, events, end_s)
        for name, checks, unit in zip(self.names, self.unit_checks, self.sim.units, strict=True):
            own = [event for event in events if event["unit"] == name]
            found = judge(checks, unit.watches, own, end_s)
            verdicts += [Verdict(f"{name}: {v.text}", v.met, v.found) for v in found]
        return verdicts

    def _result(
        self, ticks: int, wall_s: float, digest: str, events: list[dict[str, Any]], lost: int,
        taken: list[tuple[float, str]],
    ) -> SiteResult:  # fmt: skip
        world, packs = self.sim.world, self._packs()
        end_s = ticks * self.cycle_s
        facts = {name: float(world.facts[getattr(SITE, name)]) for name in SITE._fields}
        masks = [
            f"{unit.name}: {words}" for unit in self.site.units for words in masked_words(unit.system.masks, self.began)
        ]
        connected = sum(pack.connected for pack in packs)
        return SiteResult(
            name=self.scenario.scenario.name,
            seed=self.seed,
            ticks=ticks,
            simulated_s=round(end_s, 9),
            wall_s=wall_s,
            final_state=f"{connected} of {len(packs)} connected",
            contactors_closed=connected > 0,
            digest=digest,
            events=events,
            events_lost=lost,
            actions=taken,
            verdicts=self._verdicts(events, end_s),
            masks=masks,
            packs=packs,
            story=sorted(self.story, key=lambda entry: entry[0]),
            facts=facts,
            speaker=self.names[self.sim.speaker] if self.sim.speaker >= 0 else None,
            mail={name: int(world.network.mail[k]) for k, name in enumerate(MAIL._fields)},
            traces=self.traces,
        )
