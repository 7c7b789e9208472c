"""A test rig behind the driver's ports: an ideal pack that answers at once, and a clock on every reaction.

For `ionward bench reaction`: over and over it lets the pack connect, gives samples of the fault whose turn it is, and
takes the time until the coils are switched off or the pyrofuse is fired. Everything between is real: the blocks,
control with its tick, and the guard.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ionward.image.blocks import Block
from ionward.image.inputs import CHANNEL, RAW, Raw
from ionward.image.signals import STATE_CONNECTED, STATE_STANDBY
from ionward.runtime.devices import Told, Words
from ionward.runtime.enables import Coils
from ionward.runtime.plan import Plan

Array = npt.NDArray[np.float64]

RIG_BLOCK = "rig.block"
RIG_SLOTS = 1 << 16
CELL_V, CELL_C = 3.7, 25.0
SETTLE_S = (0.02, 0.04)  # connected for so long before the next trial, at random against the cycle
ACKNOWLEDGE_S, AGAIN_S = 0.01, 0.025  # a person's part, played fast so that there are many trials
LOST_S = 5.0  # a reaction that does not come within this counts as infinite
CONNECTING, WAITING, TRIAL, ACKNOWLEDGE, WITHDRAW = range(5)


class RigDevices:
    """An ideal pack. Trials go to `rig.block`, one in each slot: which of the plan's, and the reaction in seconds.

    Kinds of trials: `current` (both sensors read the value), `cell` and `temperature` (the first one does), the name of
    a channel, `silent current` and `silent cells` (samples stay away; the value is how many cells).
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._trials = plan.trials
        self._turn = 0
        self._pack_v = CELL_V * plan.size.cells
        self._block = Block.writer(folder / RIG_BLOCK)
        self._result = np.zeros(2)
        self._random = random.Random(plan.seed)
        self._phase, self._since_s, self._until_s = CONNECTING, -math.inf, 0.0
        self._coils: Coils | None = None
        self._state = -1
        self._acknowledged = 0
        self._connect = 1

    def write(self, now_s: float, coils: Coils, control: Words, bleed: Array) -> None:
        """Take the coils, and the time when they are switched off in a trial, or the pyrofuse is fired.

        A current above what the contactors may break is the pyrofuse's.
        """
        self._coils, self._state = coils, int(control["state"])
        reacted = not coils.closed or coils.pyrofuse
        if self._phase == TRIAL and (reacted or now_s - self._since_s > LOST_S):
            self._result[:] = self._turn, now_s - self._since_s if reacted else math.inf
            self._block.publish(self._result)
            self._turn = (self._turn + 1) % len(self._trials)
            self._go(ACKNOWLEDGE, now_s)

    def _go(self, phase: int, now_s: float) -> None:
        self._phase, self._since_s = phase, now_s

    def read(self, now_s: float, raw: Raw) -> None:
        """Samples of this moment, and the next step of the course of events."""
        self._step(now_s)
        raw.clock["time_s"] = now_s
        raw.cells[RAW.value] = CELL_V
        # Noise of one digit, or the sensors would count as frozen.
        raw.cells[RAW.value] += 0.0001 * self._random.getrandbits(1)
        raw.temperatures[RAW.value] = CELL_C + 0.01 * self._random.getrandbits(1)
        channels = raw.channels[RAW.value]
        channels[CHANNEL.current_a] = channels[CHANNEL.current_redundant_a] = 0.01 * self._random.getrandbits(1)
        # The bus stands at the pack's voltage: no precharge, so that a round is short. It moves, or it would not be
        # believed.
        channels[CHANNEL.pack_voltage_v] = channels[CHANNEL.bus_voltage_v] = self._pack_v
        channels[CHANNEL.bus_voltage_v] += 0.001 * self._random.random()
        channels[CHANNEL.insulation_ohm] = 5e6
        channels[CHANNEL.coolant_inlet_c : CHANNEL.ambient_c + 1] = CELL_C
        channels[CHANNEL.contactor_positive_c : CHANNEL.balancing_board_c + 1] = CELL_C
        channels[CHANNEL.monitor_redundancy_v : CHANNEL.monitor_sequence_errors + 1] = 0.0
        channels[CHANNEL.cooling_running] = channels[CHANNEL.pyrofuse_intact] = 1.0
        channels[CHANNEL.hvil_closed], channels[CHANNEL.crash] = 1.0, 0.0
        channels[[CHANNEL.positive_tap_v, CHANNEL.negative_tap_v]] = 0.0
        coils = self._coils
        if coils is not None:
            channels[CHANNEL.main_positive_closed] = coils.main_positive
            channels[CHANNEL.main_negative_closed] = coils.main_negative
            channels[CHANNEL.precharge_closed] = coils.precharge
            if coils.main_positive or coils.main_negative or coils.precharge:  # pack and bus stand at one voltage
                channels[[CHANNEL.positive_tap_v, CHANNEL.negative_tap_v]] = self._pack_v
        for block in (raw.channels, raw.cells, raw.temperatures):
            block[RAW.time_s] = now_s
        if self._phase == TRIAL:
            self._disturb(raw)

    def _disturb(self, raw: Raw) -> None:
        """What the trial whose turn it is does to the samples."""
        kind, value = self._trials[self._turn]["kind"], float(self._trials[self._turn]["value"])
        currents = [CHANNEL.current_a, CHANNEL.current_redundant_a]
        if kind == "current":
            raw.channels[RAW.value, currents] = value
        elif kind == "silent current":
            raw.channels[RAW.time_s, currents] = self._since_s
        elif kind == "cell":
            raw.cells[RAW.value, 0] = value
        elif kind == "silent cells":
            raw.cells[RAW.time_s, : int(value)] = self._since_s
        elif kind == "temperature":
            raw.temperatures[RAW.value, 0] = value
        else:
            raw.channels[RAW.value, getattr(CHANNEL, kind)] = value

    def _step(self, now_s: float) -> None:
        if self._phase == CONNECTING and self._state == STATE_CONNECTED:
            self._go(WAITING, now_s)
            self._until_s = now_s + self._random.uniform(*SETTLE_S)
        elif self._phase == WAITING and now_s >= self._until_s:
            self._go(TRIAL, now_s)
        elif self._phase == ACKNOWLEDGE and now_s - self._since_s > ACKNOWLEDGE_S:
            self._acknowledged += 1
            self._connect = 0
            self._go(WITHDRAW, now_s)
        elif self._phase == WITHDRAW:
            if self._state == STATE_STANDBY:
                self._connect = 1
                self._go(CONNECTING, now_s)
            elif now_s - self._since_s > AGAIN_S:  # the fault stood still: acknowledge again
                self._go(ACKNOWLEDGE, now_s)

    def tell(self) -> Told:
        """The rig is vehicle and operator too."""
        return Told(vehicle_connect=self._connect, vehicle_acknowledge=self._acknowledged)

    def inject(self, fault: str, place: int | str | None, value: float | None, end: bool) -> bool:
        """Nothing can be injected here."""
        return False
