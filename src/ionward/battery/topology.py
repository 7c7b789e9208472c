"""How the cells of a system are put together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ionward.battery.part import Count, NotNegative, Positive, SystemPart

PROFILES = ("ev", "storage", "home", "bench")


class Identity(SystemPart):
    """What the system is: `[system]`."""

    name: Annotated[str, Field(min_length=1, description="Name that reports and screens show")]
    profile: Annotated[
        Literal["ev", "storage", "home", "bench"],
        Field(description="Set of defaults under this file: everything not written here comes from it"),
    ]
    cell: Annotated[
        str,
        Field(min_length=1, description="Cell of the library (`ionward cells`), or a .toml file beside this one"),
    ]


class Topology(SystemPart):
    """Modules and cells: `[topology]`. A pack cell is the group of cells in parallel."""

    modules_in_series: Annotated[Count, Field(le=20_000, description="Modules in series")]
    cells_per_module: Annotated[Count, Field(le=20_000, description="Cells in series in one module")]
    cells_in_parallel: Annotated[Count, Field(le=100_000, description="Library cells in parallel in each pack cell")]
    temperature_sensors_per_module: Annotated[
        int, Field(ge=0, description="Temperature sensors of a module, evenly spread along its cells; 0: none known")
    ]
    modules_without_sensor: Annotated[
        list[Annotated[int, Field(ge=0)]],
        Field(
            default_factory=list,
            description="Modules, counted from 0, that have no temperature sensor: their neighbours' are used",
        ),
    ]
    busbar_resistance_ohm: Annotated[NotNegative, Field(description="One joint between two pack cells")]
    capacity_ah: Annotated[
        Positive,
        Field(description="Capacity of one pack cell; for used packs"),
    ]
    resistance_factor: Annotated[
        Positive, Field(description="Resistance against new cells: 1.3 for a pack that has grown by 30 %")
    ] = 1.0

    @property
    def series(self) -> int:
        """Pack cells in series."""
        return self.modules_in_series * self.cells_per_module

    @property
    def modules_with_sensor(self) -> list[int]:
        """Modules that have temperature sensors of their own."""
        if self.temperature_sensors_per_module == 0:
            return []
        without = set(self.modules_without_sensor)
        return [module for module in range(self.modules_in_series) if module not in without]

    @property
    def temperature_sensors(self) -> int:
        """Temperature sensors of the whole system."""
        return len(self.modules_with_sensor) * self.temperature_sensors_per_module
