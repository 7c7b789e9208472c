"""A pack at rest that can be ended and begun again, and records of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.examples import example
from ionward.battery.tables import OCV_V
from ionward.control.bms import Bms
from ionward.control.estimate_start import table_at
from ionward.image.build import load_pack
from ionward.image.inputs import CHANNEL, CHANNELS, RAW, new_command
from ionward.runtime.survival import (
    Candidate,
    RestoreReport,
    Survived,
    decode,
    gather,
    new_words,
    pack_fingerprint,
    restore,
)

BOOT = "6f1d0c1e-0000-4000-8000-000000000001"
OTHER_BOOT = "6f1d0c1e-0000-4000-8000-000000000002"
WALL_S = 1_800_000_000.0  # wall time at monotonic time zero

GOOD = {
    "insulation_ohm": 5e6,
    "coolant_inlet_c": 25.0,
    "coolant_outlet_c": 25.0,
    "ambient_c": 25.0,
    "hvil_closed": 1.0,
    "contactor_positive_c": 25.0,
    "contactor_negative_c": 25.0,
    "connector_positive_c": 25.0,
    "connector_negative_c": 25.0,
    "balancing_board_c": 25.0,
    "pyrofuse_intact": 1.0,
}


class Bench:
    """The BMS of an example pack on samples of a pack at rest; `step` runs ticks. `soc` sets the cells' voltages."""

    def __init__(self, name: str = "ev-96s", soc: float = 0.5, now_s: float = 100.0) -> None:
        self.system, self.parameters = load_pack(example(name))
        self.bms = Bms.of(self.system)
        self.pack = pack_fingerprint(self.system.as_dict(), self.bms.size)
        self.raw, self.command = self.bms.new_raw(), new_command()
        self.now_s = now_s
        self.channels = dict.fromkeys(range(CHANNELS), 0.0)
        self.channels |= {getattr(CHANNEL, channel): value for channel, value in GOOD.items()}
        self.cell_v = np.full(self.bms.size.cells, table_at(self.parameters.table, 25.0, soc, OCV_V))
        self.words = new_words(self.bms.size)
        self.sequence = 0
        self.sample()

    def sample(self) -> None:
        """New samples of everything, now."""
        noise = np.random.default_rng(round(self.now_s * 1000)).normal(0.0, 1e-4, len(self.cell_v))
        self.raw.clock["time_s"] = self.now_s
        self.raw.cells[RAW.value] = self.cell_v + noise
        self.raw.temperatures[RAW.value] = 25.0 + noise[: self.raw.temperatures.shape[1]]
        self.raw.cells[RAW.time_s] = self.raw.temperatures[RAW.time_s] = self.now_s
        self.raw.channels[RAW.value] = [self.channels[k] for k in range(CHANNELS)]
        self.raw.channels[RAW.value, CHANNEL.pack_voltage_v] = self.raw.cells[RAW.value].sum()
        self.raw.channels[RAW.time_s] = self.now_s

    def step(self, ticks: int = 1) -> Any:
        """Run ticks; returns the scalars of the image."""
        for _ in range(ticks):
            self.sample()
            self.bms.step(self.raw, self.command)
            self.now_s += self.system.cycle.period_s
        return self.bms.image.scalars[0]

    def record(self, boot: str = BOOT) -> bytes:
        """What survives, if this were the last tick."""
        self.sequence += 1
        wall_s = WALL_S + self.now_s
        gather(
            self.words,
            self.bms.image,
            self.bms.memory,
            self.command,
            self.pack,
            self.sequence,
            self.now_s,
            wall_s,
            boot,
        )
        return self.words.tobytes()

    def take_over(
        self, *records: bytes, boot: str = BOOT, wall_s: float | None = None, labels: str = "abcdef"
    ) -> RestoreReport:
        """Restore from records, as before a first tick."""
        self.sample()
        candidates = [Candidate(label, data) for label, data in zip(labels, records, strict=False)]
        wall_s = WALL_S + self.now_s if wall_s is None else wall_s
        return restore(candidates, self.bms, self.parameters, self.raw, wall_s, boot, self.command, self.pack)


def known(data: bytes) -> Survived:
    """What a record holds; it must be whole."""
    found = decode(data)
    assert isinstance(found, Survived), found
    return found
