"""What a run keeps for plots and tables: scalars each second, cells each second or more rarely in long runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ionward.image.inputs import CHANNEL_SIGNALS
from ionward.image.layout import Image
from ionward.image.signals import CELL, IMAGE_RECORD, MEASURED, MODULE
from ionward.proving.watch import TRUTH_SIGNALS
from ionward.twin.plant import Plant
from ionward.twin.rows import CELLS

Array = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

CELL_ROWS_MAX = 3600


class Traces:
    """Collected while running; `close` makes arrays of it."""

    def __init__(self, duration_s: float, period_s: float = 1.0) -> None:
        self.period_s = period_s
        self.cell_every = max(1, round(duration_s / period_s / CELL_ROWS_MAX))
        self._scalars: list[Any] = []
        self._truth: list[Array] = []
        self._channels: list[Array] = []
        self._modules: list[Array] = []
        self._cells: list[Single] = []
        self._cell_times: list[float] = []

    def keep(self, image: Image, plant: Plant, truth: Array) -> None:
        """Keep this instant."""
        if len(self._scalars) % self.cell_every == 0:
            self._cell_times.append(float(image.scalars["time_s"][0]))
            self._cells.append(
                np.stack(
                    [
                        image.cells[CELL.voltage_v],
                        image.cells[CELL.soc],
                        plant.cells[CELLS.soc],
                        image.cells[CELL.balancing],
                        plant.cells[CELLS.surface_c],
                    ]
                ).astype(np.float32)
            )
        self._scalars.append(image.scalars.copy())
        self._truth.append(truth.copy())
        self._channels.append(image.channels[MEASURED.value].copy())
        self._modules.append(image.modules[MODULE.temperature_mean_c].copy())

    def close(self) -> None:
        """No more instants come."""
        self.scalars = np.concatenate(self._scalars) if self._scalars else np.zeros(0, IMAGE_RECORD)
        self.truth = np.array(self._truth).reshape(-1, len(TRUTH_SIGNALS))
        self.channels = np.array(self._channels).reshape(-1, len(CHANNEL_SIGNALS))
        self.modules = np.array(self._modules)
        self.cells = np.array(self._cells)
        self.cell_times = np.array(self._cell_times)

    def __len__(self) -> int:
        return len(self._scalars)

    def signal(self, name: str) -> Array:
        """A scalar of the image over time."""
        return np.asarray(self.scalars[name], dtype=np.float64)

    def true(self, name: str) -> Array:
        """A number of the true battery over time."""
        return self.truth[:, [s.name for s in TRUTH_SIGNALS].index(name)]

    def channel(self, name: str) -> Array:
        """A measured channel over time, as validated."""
        return self.channels[:, [s.name for s in CHANNEL_SIGNALS].index(name)]

    def cell_rows(self) -> tuple[Single, Single, Single, Single, Single]:
        """Voltage, estimated SOC, true SOC, balancing and true surface temperature: each `[time, cell]`."""
        v, soc, true_soc, balancing, surface_c = (self.cells[:, k] for k in range(5))
        return v, soc, true_soc, balancing, surface_c

    def write(self, path: Path) -> None:
        """Write all scalars as Parquet: the image, measured channels (`measured.…`) and the truth (`true.…`)."""
        columns: dict[str, Any] = {name: self.scalars[name] for name in IMAGE_RECORD.names or ()}
        columns |= {f"measured.{s.name}": self.channels[:, k] for k, s in enumerate(CHANNEL_SIGNALS)}
        columns |= {f"true.{s.name}": self.truth[:, k] for k, s in enumerate(TRUTH_SIGNALS)}
        columns |= {f"module_temperature_c.{k}": self.modules[:, k] for k in range(self.modules.shape[1])}
        import pyarrow as pa  # a live run has no use for it
        from pyarrow import parquet

        parquet.write_table(pa.table(columns), path, compression="zstd")
