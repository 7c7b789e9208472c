"""A live folder without processes: one object that feeds all blocks from a BMS and its simulated battery.

Screens and gateways are developed and tested against it: `python tests/helpers/livefeed.py SYSTEM.toml FOLDER` runs it
in real time, connects, drives and answers commands. In tests `Livefeed(...).run(seconds)` lives through simulated time
at once; `start()` lives on in real time in a thread, so that commands are answered.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from ionward.battery.system import System
from ionward.control.bms import Bms
from ionward.hardware.ports import Outputs
from ionward.image import exchange as ex
from ionward.image.blocks import Block, words_of
from ionward.image.build import build_parameters, load_pack, system_size
from ionward.image.faults import FAULTS
from ionward.image.inputs import CHANNEL, RAW, new_command
from ionward.image.masks import Moment, with_masks
from ionward.image.signals import CELL, FAULT, LEVEL_FAULT, STATE_CONNECTED
from ionward.proving.load_profile import build_profile
from ionward.proving.scenario import built_in_scenario
from ionward.runtime.fault_watch import FaultWatch, image_raster_s
from ionward.runtime.live_blocks import image_words, raw_words
from ionward.runtime.live_commands import END_ALL, injectable, place_of
from ionward.runtime.plan import Plan
from ionward.runtime.recorder_record import RECORDER_RECORD, RECORDER_RECORDING
from ionward.runtime.ring import COMMAND_AT, VALUES_AT, ring_words
from ionward.runtime.survival_record import pack_fingerprint
from ionward.twin.faults import Undo, problem_of
from ionward.twin.rows import SET
from ionward.twin.twin import Twin

ROLES = ("plant", "control", "guard", "recorder", "services")
IMAGE_PERIOD_S = 0.01
WATCH_PERIOD_S = 0.05


class Livefeed:
    """Feeds `folder` from a pack. `time_s` is its own monotonic time; `clock` gives it to a `Live`.

    `frozen` processes (names of `ROLES`) publish nothing; `guard_reason` lets the guard withhold its enable. The fault
    memory is kept in the folder `state`.
    """

    def __init__(
        self, system: System, folder: Path, seed: int = 1, start_s: float | None = None, profile: bool = True
    ) -> None:
        self.system, self.folder = system, folder
        self.size = system_size(system)
        self.cycle_s = system.cycle.period_s
        folder.mkdir(parents=True, exist_ok=True)
        self.time_s = time.monotonic() if start_s is None else start_s
        self.frozen: set[str] = set()
        self.guard_reason = ex.GUARD_OK
        self.plan = Plan(
            name=system.system.name,
            system=system.as_dict(),
            size=self.size,
            cycle_s=self.cycle_s,
            state_dir=str(folder / "state"),
            scenario="built in",
            started_wall_s=time.time(),
            started_monotonic_s=self.time_s,
            roles=ROLES,
        )
        self._make_blocks()
        self.plan.save(folder)
        scenario = built_in_scenario(system.system.profile)
        load = build_profile(scenario, system.topology.capacity_ah)
        self.twin = Twin(system, scenario.start, seed, scenario.environment.ambient_c, load.points if profile else None)
        self.twin.plant.settings[SET.load_is_power] = load.is_power
        began = Moment(self.plan.started_wall_s, self.time_s)
        self.bms = Bms(with_masks(build_parameters(system), system.masks, began), self.size)
        self.raw = self.bms.new_raw()
        self.command = new_command()
        self.driven = np.zeros(1, ex.DRIVEN_RECORD)
        self.driven["trip_time_s"] = self.driven["opened_time_s"] = self.driven["scenario_s"] = np.nan
        self.driven["fuse_blown"] = 0
        self.control = np.zeros(1, ex.CONTROL_RECORD)
        self.guard = np.zeros(1, ex.GUARD_RECORD)
        self.guard["place"], self.guard["value"] = -1, np.nan
        self.recorder = np.zeros(1, RECORDER_RECORD)
        self.recorder["state"], self.recorder["bytes_per_day"] = RECORDER_RECORDING, 2.1e9
        self.recorder["disk_free_bytes"] = 50 * 2**30
        self.healths = {role: self._health(role) for role in ROLES}
        self._message = np.zeros(1, ex.COMMAND_MESSAGE_RECORD)
        self._injection = np.zeros(1, ex.INJECTION_RECORD)
        self._undo: dict[str, list[Undo]] = {}
        (folder / "state").mkdir(exist_ok=True)
        self._wall_s = self.plan.started_wall_s - self.time_s
        self.watch = self._new_watch()
        self._watch_s = self._image_s = -np.inf
        self._ticks = 0
        self._ahead_s: float | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    def _make_blocks(self) -> None:
        size = self.size
        words = {
            "io": (8, raw_words(size) + words_of(ex.DRIVEN_RECORD)),
            "control": (8, words_of(ex.CONTROL_RECORD) + size.cells),
            "image": (32, image_words(size)),
            "ring": (8, ring_words(size)),
            "guard": (8, words_of(ex.GUARD_RECORD)),
            "commands": (64, words_of(ex.COMMAND_MESSAGE_RECORD)),
            "injections": (16, words_of(ex.INJECTION_RECORD)),
            "supervisor": (2, words_of(ex.SUPERVISOR_RECORD)),
            "recorder": (2, words_of(RECORDER_RECORD)),
            **{f"health-{role}": (4, words_of(ex.HEALTH_RECORD)) for role in (*ROLES, "supervisor")},
        }
        for name, (slots, count) in words.items():
            Block.create(self.folder / f"{name}.block", slots, count)
        mine = [name for name in words if name not in ("commands", "injections")]
        self.blocks = {name: Block.writer(self.folder / f"{name}.block") for name in mine}
        self._commands = Block.reader(self.folder / "commands.block")
        self._injections = Block.reader(self.folder / "injections.block")

    def _new_watch(self) -> FaultWatch:
        image, ring = (Block.reader(self.folder / f"{name}.block") for name in ("image", "ring"))
        pack, state = pack_fingerprint(self.plan.system, self.size), self.folder / "state"
        raster_s = image_raster_s(self.cycle_s)
        return FaultWatch(image, ring, self.size, raster_s, pack, "boot", state, self._wall_s + self.time_s)

    def _health(self, role: str) -> Any:
        health = np.zeros(1, ex.HEALTH_RECORD)
        health["pid"], health["state"], health["started_s"] = os.getpid(), 1, self.time_s
        health["period_s"] = self.cycle_s if role in ("plant", "control", "guard") else 0.0
        return health

    def clock(self) -> float:
        """Time of the feed, as a clock for `Live`."""
        return self.time_s if self._ahead_s is None else time.monotonic() + self._ahead_s

    def run(self, duration_s: float) -> Livefeed:
        """Live through this time at once."""
        for _ in range(round(duration_s / self.cycle_s)):
            self.step()
        return self

    def connect(self) -> Livefeed:
        """Ask for a connection and live until it is there."""
        self.command["connect"] = 1
        for _ in range(round(10.0 / self.cycle_s)):
            self.step()
            if self.bms.image.scalars["state"][0] == STATE_CONNECTED:
                break
        return self

    def step(self) -> None:
        """One cycle of everybody."""
        self._tick(self.time_s + self.cycle_s)

    def start(self) -> Livefeed:
        """Live on in real time, in a thread, until `stop`; its clock goes on from where it stands."""
        self._ahead_s = self.time_s - time.monotonic()
        self._thread = threading.Thread(target=self._live_on, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the thread."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(5.0)
        for block in self.blocks.values():
            block.close()

    def __enter__(self) -> Livefeed:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _live_on(self) -> None:
        while not self._ending.is_set():
            began = time.monotonic()
            # Cycle by cycle, however late this thread is woken: outputs that are not renewed let real contacts fall.
            while self.time_s + self.cycle_s <= self.clock() and not self._ending.is_set():
                self.step()
            self._note_health("control", time.monotonic() - began)
            time.sleep(max(0.0, self.cycle_s - (time.monotonic() - began)))

    def _tick(self, now_s: float) -> None:
        self.time_s = now_s
        self._ticks += 1
        self.twin.read(now_s, self.raw)
        self._take_injection()
        if "control" not in self.frozen:
            self._take_commands()
            self.bms.step(self.raw, self.command)
        self._drive(now_s)
        self._publish(now_s)

    def _drive(self, now_s: float) -> None:
        driven, s = self.driven, self.bms.image.scalars[0]
        enables = {
            "control": "control" not in self.frozen,
            "guard": self.guard_reason == 0 and "guard" not in self.frozen,
        }
        for name, given in enables.items():
            driven[f"{name}_enable"] = given
        out = self.bms.outputs()
        if not all(enables.values()):
            if driven["main_positive"][0] and not driven["tripped"][0]:
                driven["tripped"], driven["trip_time_s"] = 1, now_s
                driven["trip_reason"] = ex.TRIP_CONTROL_EXPIRED if enables["guard"] else ex.TRIP_GUARD_WITHDREW
                driven["trip_count"] += 1
            out = out._replace(main_positive=False, main_negative=False, precharge=False)
        elif driven["tripped"][0]:
            out = out._replace(main_positive=False, main_negative=False, precharge=False)
        if driven["main_positive"][0] and not out.main_positive:
            driven["opened_time_s"] = now_s
        self.twin.write(now_s, Outputs(*out))
        self.twin.hear(s["state"] == STATE_CONNECTED, s["charge_limit_a"], s["discharge_limit_a"])
        driven["time_s"], driven["cycle"] = now_s, self._ticks
        driven["vehicle_connect"] = self.command["connect"]
        driven["vehicle_purpose"] = self.command["purpose"]
        driven["scenario_s"] = now_s - self.plan.started_monotonic_s
        for name in ("main_positive", "main_negative", "precharge", "pyrofuse"):
            driven[name] = getattr(out, name)

    def _take_commands(self) -> None:
        taken = int(self.control["command"][0])
        while taken < self._commands.count:
            taken += 1
            result = ex.REFUSED_UNKNOWN
            if self._commands.read(taken, self._message):
                result = self._obey(ex.COMMANDS[int(self._message["command"][0])], float(self._message["value"][0]))
            self.control["command"], self.control["command_result"] = taken, result

    def _obey(self, name: str, value: float) -> int:
        faults = self.bms.image.faults
        if name == "connect":
            if (faults[FAULT.latched_level] > 0).any() or self.driven["tripped"][0]:
                return ex.REFUSED_LATCHED
            if (faults[FAULT.level] >= LEVEL_FAULT).any():
                return ex.REFUSED_FAULT
            self.command["connect"] = 1
        elif name == "disconnect":
            self.command["connect"] = 0
        elif name == "acknowledge":
            if not self.bms.image.scalars["latched_faults"][0] and not self.driven["tripped"][0]:
                return ex.REFUSED_NOTHING
            self.command["acknowledge_count"] += 1
            self.command["connect"] = 0
            self.driven["tripped"], self.driven["trip_reason"] = 0, 0
        elif name == "clear_faults":
            self.command["clear_count"] += 1
        elif name == "release":
            return self._release(int(value), faults)
        elif name in ("balance_auto", "balance_off"):
            self.command["balancing_allowed"] = name == "balance_auto"
        elif name.startswith("derate_"):
            self.command[name.removeprefix("derate_") + "_factor"] = value
        return ex.REFUSED_NOT

    def _release(self, k: int, faults: Any) -> int:
        if not FAULTS[k].service or not faults[FAULT.latched_level, k]:
            return ex.REFUSED_NO_LOCK
        if faults[FAULT.level, k] >= LEVEL_FAULT:
            return ex.REFUSED_ACTIVE
        self.command["release_fault"] = k
        self.command["release_count"] += 1
        return ex.REFUSED_NOT

    def _take_injection(self) -> None:
        taken = int(self.driven["injection"][0])
        if taken >= self._injections.count:
            return
        refused = not self._injections.read(taken + 1, self._injection) or not self._inject()
        self.driven["injection"], self.driven["injection_refused"] = taken + 1, refused

    def _inject(self) -> bool:
        number, end = int(self._injection["fault"][0]), bool(self._injection["end"][0])
        name = "" if number == END_ALL else injectable()[number].name
        if end:
            for key in [name] if name else list(self._undo):
                for undo in reversed(self._undo.pop(key, [])):
                    undo()
            return True
        value = float(self._injection["value"][0])
        strength = None if np.isnan(value) else value
        place = place_of(self._injection)
        if problem_of(self.twin.plant, name, place, strength):
            return False
        self._undo.setdefault(name, []).append(self.twin.inject(name, place, strength))
        return True

    def _publish(self, now_s: float) -> None:
        if "plant" not in self.frozen:
            self.blocks["io"].publish(np.concatenate([self._flat(self.raw), self.driven.view(np.float64)]))
        if "control" not in self.frozen:
            s, image = self.bms.image.scalars[0], self.bms.image
            control = self.control
            control["time_s"], control["tick"], control["driver_cycle"] = now_s, self._ticks, self._ticks
            control["state"] = s["state"]
            for name in ("main_positive", "main_negative", "precharge"):
                control[name] = s[f"{name}_close"]
            for name in ("charge_limit_a", "discharge_limit_a", "pump", "fan", "heater"):
                control[name] = s[name]
            self.blocks["control"].publish(np.concatenate([control.view(np.float64), image.cells[CELL.balancing]]))
            if now_s - self._image_s >= IMAGE_PERIOD_S * 0.9:
                self._image_s = now_s
                self.blocks["image"].publish(self._flat(image))
            ring = np.zeros(ring_words(self.size), np.int64)
            ring[COMMAND_AT:VALUES_AT] = self.command.view(np.int64)
            self.blocks["ring"].publish(ring)
        if "guard" not in self.frozen:
            guard = self.guard
            guard["time_s"], guard["cycle"] = now_s, self._ticks
            guard["enable"], guard["reason"] = self.guard_reason == ex.GUARD_OK, self.guard_reason
            self.blocks["guard"].publish(guard.view(np.float64))
        self.blocks["supervisor"].publish(np.array([now_s, 0.0]))
        if "recorder" not in self.frozen:
            if now_s - self._watch_s >= WATCH_PERIOD_S:
                self._watch_s = now_s
                self.watch.step(now_s, self._wall_s + now_s)
            recorder = self.recorder
            recorder["time_s"], recorder["state_copy_time_s"] = now_s, now_s - 0.2
            recorder["recorded_ticks"] = self._ticks
            self.blocks["recorder"].publish(recorder.view(np.float64))
        for role in ROLES:
            self._note_health(role, 0.0004)

    def _note_health(self, role: str, took_s: float) -> None:
        if role in self.frozen:
            return
        health = self.healths[role]
        health["time_s"] = self.time_s
        health["cycles"] += 1
        for name, value_s in (("took", took_s), ("late", 6e-5)):
            k = min(max(int(2 * np.log2(max(value_s * 1e6, 1.0))), 0), ex.LATENESS_BINS - 1)
            health[f"{name}_{k}"] += 1
        health["cycle_max_s"] = max(float(health["cycle_max_s"][0]), took_s)
        health["lateness_max_s"] = 6e-5
        self.blocks[f"health-{role}"].publish(health.view(np.float64))

    @staticmethod
    def _flat(arrays: Any) -> Any:
        return np.concatenate([a.view(np.float64) if a.dtype.names else a.ravel() for a in arrays])

    def measure(self, channel: str) -> float:
        """The last raw sample of a channel."""
        return float(self.raw.channels[RAW.value, getattr(CHANNEL, channel)])


def feed_of(system_file: Path | str, folder: Path, **options: Any) -> Livefeed:
    """A feed of an example file."""
    system, _ = load_pack(system_file)
    return Livefeed(system, folder, **options)


def main() -> None:
    """Feed a folder in real time until interrupted."""
    if len(sys.argv) != 3:
        raise SystemExit("use: python tests/helpers/livefeed.py SYSTEM.toml FOLDER")
    folder = Path(sys.argv[2])
    feed_of(sys.argv[1], folder).run(1.0).stop()  # whatever still has to be compiled is compiled here
    feed = feed_of(sys.argv[1], folder)
    feed.command["connect"] = 1
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with feed:
        print(f"feeding {sys.argv[2]}: {feed.system.system.name}; Ctrl-C ends", flush=True)
        try:
            while True:
                time.sleep(1.0)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
