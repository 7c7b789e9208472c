"""Cooling and balancing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ionward.battery.part import Count, NotNegative, Positive, SystemPart


class Cooling(SystemPart):
    """Cooling and heating: `[cooling]`."""

    kind: Annotated[Literal["none", "air", "liquid"], Field(description="What carries the heat away")]
    start_c: Annotated[float, Field(description="Cooling begins above this cell temperature")] = 30.0
    full_c: Annotated[float, Field(description="Cooling is at full demand above this cell temperature")] = 40.0
    heat_start_c: Annotated[float, Field(description="Heating begins below this cell temperature")] = 5.0
    heat_full_c: Annotated[float, Field(description="Heating is at full demand below this cell temperature")] = -5.0
    spread_start_k: Annotated[
        Positive, Field(description="Difference between modules at which the pump begins to even out")
    ] = 3.0
    spread_full_k: Annotated[Positive, Field(description="Difference between modules at which the pump runs fully")] = (
        8.0
    )
    cell_k_per_w: Annotated[
        Positive,
        Field(description="Thermal resistance from one library cell to the coolant or the moving air, at full flow"),
    ]
    flow_w_per_k: Annotated[
        Positive, Field(description="Heat capacity of the flow at full demand: mass flow times specific heat")
    ]
    chiller_w: Annotated[NotNegative, Field(description="Heat that chiller or fan takes out of the coolant at most")]
    heater_w: Annotated[NotNegative, Field(description="Heater power; 0: no heater")]


class Balancing(SystemPart):
    """Passive balancing: `[balancing]`."""

    kind: Annotated[Literal["passive", "none"], Field(description="How cells are balanced")] = "passive"
    method: Annotated[
        Literal["soc", "voltage"], Field(description="What is compared. On the plateau of LFP only SOC means anything")
    ] = "soc"
    start_soc: Annotated[
        float, Field(gt=0, lt=1, description="By SOC: bleeding starts at this difference to the lowest cell")
    ] = 0.01
    stop_soc: Annotated[
        float, Field(ge=0, lt=1, description="By SOC: bleeding stops at this difference to the lowest cell")
    ] = 0.004
    start_v: Annotated[
        Positive, Field(description="By voltage: bleeding starts at this difference to the lowest cell")
    ] = 0.01
    stop_v: Annotated[
        NotNegative, Field(description="By voltage: bleeding stops at this difference to the lowest cell")
    ] = 0.003
    min_voltage_v: Annotated[float, Field(description="Cells below this are not bled")]
    resistance_ohm: Annotated[Positive, Field(description="Bleed resistor of one pack cell")]
    cells_per_module: Annotated[Count, Field(description="Most cells of one module bled at once")]
    period_s: Annotated[Positive, Field(description="Even and odd cells take turns after this time")] = 10.0
    rest_current_a: Annotated[Positive, Field(description="By voltage: cells are compared only below this current")]
    rest_s: Annotated[
        NotNegative, Field(description="By voltage: … after the current has been that low for so long")
    ] = 60.0
    settle_s: Annotated[
        NotNegative, Field(description="All bleeding pauses for so long before cells are measured and compared")
    ] = 1.0
    board_max_c: Annotated[float, Field(description="The board stops bleeding above this temperature")] = 85.0
    board_k_per_w: Annotated[Positive, Field(description="Thermal resistance of one module's board to its air")] = 8.0
    board_time_s: Annotated[Positive, Field(description="Thermal time constant of one module's board")] = 300.0
