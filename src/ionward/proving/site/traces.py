"""What the run of a site keeps for plots and tables: each second the site's facts, and of each pack the essentials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward.image.signals import STATE_INIT
from ionward.proving.site.loop import LIFE, SITE, SITE_SIGNALS, Unit
from ionward.proving.watch import TRUTH

Array = npt.NDArray[np.float64]

PACK_COLUMNS = ("current_a", "soc", "soc_true", "state", "connected", "charge_limit_a", "discharge_limit_a")


def _essentials(unit: Unit, runs: int) -> tuple[float, ...]:
    """One value for each column. The state of a unit that does not run is init."""
    s, truth = unit.image.scalars[0], unit.truth
    state = s["state"] if runs == 1 else STATE_INIT
    return (truth[TRUTH.current_a], s["soc"], truth[TRUTH.soc_mean], state, truth[TRUTH.contactors_closed],
            s["charge_limit_a"], s["discharge_limit_a"])  # fmt: skip


class SiteTraces:
    """Collected while running; `close` makes arrays of it: `facts` `[SITE, time]`, `packs` `[column, pack, time]`."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._facts: list[Array] = []
        self._packs: list[list[tuple[float, ...]]] = []

    def keep(self, sim: Any) -> None:
        """Keep this instant of a `SiteWorld`."""
        self._facts.append(sim.world.facts.copy())
        self._packs.append(
            [_essentials(unit, runs) for unit, runs in zip(sim.units, sim.world.life[LIFE.runs], strict=True)]
        )

    def close(self) -> None:
        """No more instants come."""
        self.facts = np.array(self._facts).reshape(-1, len(SITE_SIGNALS)).T
        self.packs = np.array(self._packs).reshape(-1, len(self.names), len(PACK_COLUMNS)).transpose(2, 1, 0)

    def __len__(self) -> int:
        return len(self._facts)

    def fact(self, name: str) -> Array:
        """A fact of the site over time."""
        values: Array = self.facts[getattr(SITE, name)]
        return values

    def pack(self, column: str) -> Array:
        """One of `PACK_COLUMNS` of every pack: `[pack, time]`."""
        values: Array = self.packs[PACK_COLUMNS.index(column)]
        return values

    def write(self, path: Path) -> None:
        """Write everything as Parquet: the site's facts, and `PACK.column` of each pack."""
        import pyarrow as pa
        from pyarrow import parquet

        columns = {signal.name: self.fact(signal.name) for signal in SITE_SIGNALS}
        columns |= {f"{name}.{c}": self.pack(c)[k] for k, name in enumerate(self.names) for c in PACK_COLUMNS}
        parquet.write_table(pa.table(columns), path, compression="zstd")
