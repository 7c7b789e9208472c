"""What is measured, how often and how well: `[sensors.…]`.

Every analogue sensor has the same properties in its own unit: range, tolerance, resolution, noise, offset and the
fastest plausible change. Code that serves all of them reads `sensor.low`, `sensor.high`, `sensor.tolerance` and so on.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ionward.battery.part import NotNegative, Positive, SystemPart

FITTED = "The sensor exists"
PERIOD = "Time between two samples"
DELAY = "Time from the sample to its arrival"
AGE_MAX = "A sample older than this is not used"
FROZEN = "A value that has not moved by one digit for so long counts as frozen; 0: never"
FROZEN_CELLS = (
    "A temperature that has not moved by one digit for so long, while most others have moved by 1 K or more, counts as "
    "frozen; 0: never"
)
LOW = "Lowest plausible value, end of the range"
HIGH = "Highest plausible value, end of the range"
TOLERANCE = "Accuracy that its maker promises: three standard deviations"
RESOLUTION = "One digit"
NOISE = "Standard deviation of one sample (the twin adds it)"
OFFSET = "Constant error (the twin adds it)"
RATE = "Fastest plausible change; a sample that jumps further is refused"

Fitted = Annotated[bool, Field(description=FITTED)]
Period = Annotated[Positive, Field(description=PERIOD)]
Delay = Annotated[NotNegative, Field(description=DELAY)]
AgeMax = Annotated[Positive, Field(description=AGE_MAX)]
Frozen = Annotated[NotNegative, Field(description=FROZEN)]


class Sensor(SystemPart):
    """A sensor that says yes or no, and the base of all others."""

    fitted: Fitted = True
    period_s: Period
    delay_s: Delay = 0.0
    age_max_s: AgeMax
    frozen_s: Frozen = 0.0

    # Endings of the property names: of values, and of differences.
    value_unit: ClassVar[str] = ""
    difference_unit: ClassVar[str] = ""

    def _number(self, name: str, unit: str, default: float) -> float:
        return float(getattr(self, f"{name}_{unit}")) if unit else default

    @property
    def low(self) -> float:
        """Lowest plausible value, in the sensor's unit."""
        return self._number("minimum", self.value_unit, 0.0)

    @property
    def high(self) -> float:
        """Highest plausible value, in the sensor's unit."""
        return self._number("maximum", self.value_unit, 1.0)

    @property
    def tolerance(self) -> float:
        """Promised accuracy (three standard deviations), in the sensor's unit."""
        return self._number("tolerance", self.difference_unit, 0.0)

    @property
    def resolution(self) -> float:
        """One digit, in the sensor's unit."""
        return self._number("resolution", self.difference_unit, 1.0)

    @property
    def noise(self) -> float:
        """Standard deviation of one sample, in the sensor's unit."""
        return self._number("noise", self.difference_unit, 0.0)

    @property
    def offset(self) -> float:
        """Constant error, in the sensor's unit."""
        return self._number("offset", self.difference_unit, 0.0)

    @property
    def rate_max(self) -> float:
        """Fastest plausible change per second, in the sensor's unit. Yes-no sensors change as fast as they like."""
        return self._number("rate_max", f"{self.difference_unit}_per_s" if self.difference_unit else "", 1e9)


class VoltageSensor(Sensor):
    """Measures a voltage."""

    minimum_v: Annotated[float, Field(description=LOW)]
    maximum_v: Annotated[float, Field(description=HIGH)]
    tolerance_v: Annotated[Positive, Field(description=TOLERANCE)]
    resolution_v: Annotated[Positive, Field(description=RESOLUTION)]
    noise_v: Annotated[NotNegative, Field(description=NOISE)] = 0.0
    offset_v: Annotated[float, Field(description=OFFSET)] = 0.0
    rate_max_v_per_s: Annotated[Positive, Field(description=RATE)]

    value_unit = "v"
    difference_unit = "v"


class TemperatureSensor(Sensor):
    """Measures a temperature."""

    minimum_c: Annotated[float, Field(description=LOW)] = -50.0
    maximum_c: Annotated[float, Field(description=HIGH)] = 125.0
    tolerance_k: Annotated[Positive, Field(description=TOLERANCE)] = 1.5
    resolution_k: Annotated[Positive, Field(description=RESOLUTION)] = 0.1
    noise_k: Annotated[NotNegative, Field(description=NOISE)] = 0.05
    offset_k: Annotated[float, Field(description=OFFSET)] = 0.0
    rate_max_k_per_s: Annotated[Positive, Field(description=RATE)] = 20.0

    value_unit = "c"
    difference_unit = "k"


class CellTemperatureSensor(TemperatureSensor):
    """Measures temperatures at the cells."""

    frozen_s: Annotated[NotNegative, Field(description=FROZEN_CELLS)] = 0.0


class CurrentSensor(Sensor):
    """Measures the pack current, positive when charging."""

    minimum_a: Annotated[float, Field(description=LOW)]
    maximum_a: Annotated[float, Field(description=HIGH)]
    tolerance_a: Annotated[Positive, Field(description=TOLERANCE)]
    resolution_a: Annotated[Positive, Field(description=RESOLUTION)]
    noise_a: Annotated[NotNegative, Field(description=NOISE)] = 0.0
    offset_a: Annotated[float, Field(description=OFFSET)] = 0.0
    rate_max_a_per_s: Annotated[Positive, Field(description=RATE)] = 1e6

    value_unit = "a"
    difference_unit = "a"


class RedundantCurrentSensor(CurrentSensor):
    """A second, independent measurement of the pack current."""

    agree_a: Annotated[Positive, Field(description="The two sensors may differ by this")]


class InsulationSensor(Sensor):
    """Measures the insulation of the high-voltage system to chassis."""

    minimum_ohm: Annotated[NotNegative, Field(description=LOW)] = 0.0
    maximum_ohm: Annotated[Positive, Field(description=HIGH)] = 1e8
    tolerance_ohm: Annotated[Positive, Field(description=TOLERANCE)] = 15e3
    resolution_ohm: Annotated[Positive, Field(description=RESOLUTION)] = 1e3
    noise_ohm: Annotated[NotNegative, Field(description=NOISE)] = 0.0
    offset_ohm: Annotated[float, Field(description=OFFSET)] = 0.0
    rate_max_ohm_per_s: Annotated[Positive, Field(description=RATE)] = 1e9

    value_unit = "ohm"
    difference_unit = "ohm"


class ErrorCounter(Sensor):
    """Counts errors since its start."""

    highest: Annotated[int, Field(ge=255, le=2**31 - 1, description="Highest count; it begins again at 0 after it")] = (
        65535
    )
    rate_max_per_s: Annotated[Positive, Field(description="Fastest plausible growth; a jump is refused")] = 2000.0

    @property
    def high(self) -> float:
        """Highest count."""
        return float(self.highest)

    @property
    def rate_max(self) -> float:
        """Fastest plausible growth per second."""
        return self.rate_max_per_s


class Sensors(SystemPart):
    """All sensors of the system: `[sensors]`."""

    hold_s: Annotated[NotNegative, Field(description="A refused sample is bridged by the last good one for so long")]
    cell_voltage: Annotated[VoltageSensor, Field(description="Voltage of every pack cell")]
    temperature: Annotated[CellTemperatureSensor, Field(description="Temperature sensors at the cells")]
    current: Annotated[CurrentSensor, Field(description="Pack current")]
    current_redundant: Annotated[RedundantCurrentSensor, Field(description="Pack current, measured again")]
    pack_voltage: Annotated[VoltageSensor, Field(description="Voltage at the battery side of the contactors")]
    bus_voltage: Annotated[VoltageSensor, Field(description="Voltage of the DC link, at the load side")]
    insulation: Annotated[InsulationSensor, Field(description="Insulation monitor (IMD)")]
    coolant_inlet: Annotated[TemperatureSensor, Field(description="Coolant where it enters")]
    coolant_outlet: Annotated[TemperatureSensor, Field(description="Coolant where it leaves")]
    ambient: Annotated[TemperatureSensor, Field(description="Ambient temperature")]
    hvil: Annotated[Sensor, Field(description="High-voltage interlock loop")]
    crash: Annotated[Sensor, Field(description="Crash signal")]
    contactor_feedback: Annotated[Sensor, Field(description="Auxiliary contacts of the three contactors")]
    contactor_positive: Annotated[TemperatureSensor, Field(description="Contact of the positive main contactor")]
    contactor_negative: Annotated[TemperatureSensor, Field(description="Contact of the negative main contactor")]
    connector_positive: Annotated[TemperatureSensor, Field(description="Connector or joint at the positive side")]
    connector_negative: Annotated[TemperatureSensor, Field(description="Connector or joint at the negative side")]
    balancing_board: Annotated[
        TemperatureSensor, Field(description="Hottest balancing board, as the cell monitors report it")
    ]
    positive_tap: Annotated[
        VoltageSensor, Field(description="Load side of the positive contactor against the battery's minus")
    ]
    negative_tap: Annotated[
        VoltageSensor, Field(description="The battery's plus against the load side of the negative contactor")
    ]
    cooling_feedback: Annotated[Sensor, Field(description="Tacho or flow feedback of the pump (liquid) or fan (air)")]
    monitor_redundancy: Annotated[
        VoltageSensor, Field(description="Largest difference between main and redundant reading of a cell")
    ]
    monitor_crc: Annotated[ErrorCounter, Field(description="Frames of the cell monitors with a wrong checksum")]
    monitor_sequence: Annotated[ErrorCounter, Field(description="Frames of the cell monitors repeated or lost")]
    pyrofuse_loop: Annotated[Sensor, Field(description="Igniter loop of the pyrofuse")]


# Names of the analogue and yes-no sensors in their order in the file.
SENSOR_NAMES = tuple(name for name in Sensors.model_fields if name != "hold_s")
