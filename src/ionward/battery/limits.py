"""What the pack may do: limits, derating curves, and changes to the fault ladder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ionward.battery.part import Count, Fraction, NotNegative, Point, Positive, SystemPart


class Limits(SystemPart):
    """Rated limits of the pack: `[limits]`. What is not written comes from the cell's data sheet."""

    cell_voltage_max_v: Annotated[Positive, Field(description="Highest cell voltage in use")]
    cell_voltage_min_v: Annotated[NotNegative, Field(description="Lowest cell voltage in use")]
    charge_current_max_a: Annotated[Positive, Field(description="Continuous charge current")]
    discharge_current_max_a: Annotated[Positive, Field(description="Continuous discharge current, positive")]
    charge_current_pulse_a: Annotated[Positive, Field(description="Charge current for one pulse")]
    discharge_current_pulse_a: Annotated[Positive, Field(description="Discharge current for one pulse, positive")]
    pulse_s: Annotated[Positive, Field(description="Length of a pulse")] = 10.0
    charge_temperature_min_c: Annotated[float, Field(description="Lowest cell temperature for charging")]
    charge_temperature_max_c: Annotated[float, Field(description="Highest cell temperature for charging")]
    discharge_temperature_min_c: Annotated[float, Field(description="Lowest cell temperature for discharging")]
    discharge_temperature_max_c: Annotated[float, Field(description="Highest cell temperature for discharging")]
    warning_factor: Annotated[
        Fraction, Field(description="Current limits are multiplied by this while a warning stands")
    ] = 0.5
    slew_a_per_s: Annotated[
        Positive,
        Field(description="Limits rise no faster than this, and fall at once"),
    ]


Curve = Annotated[list[Point], Field(min_length=2, max_length=12)]


class Derating(SystemPart):
    """Current factor over temperature and SOC: `[derating]`. Lists of [x, factor], straight between the points."""

    charge_over_temperature: Annotated[
        Curve, Field(description="Factor of the charge current over cell temperature in °C")
    ]
    discharge_over_temperature: Annotated[
        Curve, Field(description="Factor of the discharge current over cell temperature in °C")
    ]
    charge_over_soc: Annotated[Curve, Field(description="Factor of the charge current over SOC 0..1")]
    discharge_over_soc: Annotated[Curve, Field(description="Factor of the discharge current over SOC 0..1")]


class LevelChange(SystemPart):
    """What is different in one level of a fault. What is not written stays as the catalogue has it."""

    set: Annotated[float | None, Field(description="Reached beyond this, in the fault's unit")] = None
    clear: Annotated[float | None, Field(description="Left when back within this, in the fault's unit")] = None
    delay_samples: Annotated[Count | None, Field(description="New samples in a row that must agree")] = None
    delay_s: Annotated[NotNegative | None, Field(description="Time in a row")] = None


Change = LevelChange | Literal[False] | None


class FaultChange(SystemPart):
    """Changes to one fault of the catalogue: `[faults.<id>]`. `false` switches info or warning off."""

    info: Annotated[Change, Field(description="Tells")] = None
    warning: Annotated[Change, Field(description="Lowers the limits")] = None
    fault: Annotated[Change, Field(description="Opens the contactors in order")] = None
    critical: Annotated[Change, Field(description="Opens the contactors now")] = None
    ftti_s: Annotated[
        Positive | None,
        Field(description="Budget from the fault's standing in the battery to the contactors being open"),
    ] = None
    cool_down_s: Annotated[
        NotNegative, Field(le=86400.0, description="Once it is gone, its latch stays for so long at least")
    ] = 0.0
    retries: Annotated[
        int, Field(ge=0, le=10, description="How often within an hour its latch is let go without a person")
    ] = 0
