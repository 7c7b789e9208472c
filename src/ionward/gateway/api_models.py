"""What the HTTP API says and takes, as models: the OpenAPI description is made from them.

Current and power are positive when charging, SOC is 0..1, cells count from 0, a place of -1 means none; null is what
is not known.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from ionward.image.exchange import COMMANDS
from ionward.image.signals import LEVELS, STATES

Number = float | None
Position = Literal["open", "closed"]
Level = Literal[LEVELS]  # type: ignore[valid-type]
State = Literal[STATES]  # type: ignore[valid-type]
Strict = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Answer(BaseModel):
    """Base of all answers: nothing in them that is not described."""

    model_config = ConfigDict(extra="forbid")


class Problem(Answer):
    """Why a request cannot be answered, in one sentence."""

    detail: str = Field(examples=["cell 400 does not exist: there are cells 0 to 95"])


class Enables(Answer):
    """Both enables as the driver sees them; contactors stay closed only while both are given."""

    control: bool
    guard: bool


class Limits(Answer):
    """Current limits, continuous and for ten seconds, and what sets them."""

    charge_a: Number
    charge_pulse_a: Number
    charge_reason: str = Field(examples=["cell voltage of cell 17 (4.180 V)"])
    charge_rule: str
    charge_place: int
    charge_rated_a: Number
    charge_allowed: bool
    discharge_a: Number
    discharge_pulse_a: Number
    discharge_reason: str
    discharge_rule: str
    discharge_place: int
    discharge_rated_a: Number
    discharge_allowed: bool


class FaultNow(Answer):
    """A fault that is present or waits to be acknowledged."""

    id: str = Field(examples=["cell_overvoltage"])
    name: str
    level: Level
    active: bool
    latched: bool
    place: int
    where: str
    value: Number
    unit: str
    text: str = Field(examples=["Cell overvoltage: fault (cell 17, 4.26 V)"])
    meaning: str
    action: str
    since_s: Number = Field(description="Seconds since it was raised")
    since: str | None
    count: int
    dtc: str


class Alarm(Answer):
    """Something wrong with the BMS itself."""

    id: str
    level: str
    text: str
    action: str


class Guard(Answer):
    """What the guard says."""

    enable: bool
    reason: str
    place: int
    value: Number
    tripped: bool
    trip_reason: str
    trip_count: int
    cycle: int
    age_s: Number


class Trip(Answer):
    """Whether the driver has dropped the contactors until a person acknowledges."""

    tripped: bool
    reason: str
    count: int
    since_s: Number


class Wish(Answer):
    """What the vehicle or inverter wants."""

    connect: bool
    purpose: Literal["drive", "charge"]


class Scenario(Answer):
    """Where the scenario of a simulated battery stands."""

    time_s: Number
    rounds: int


class CellSummary(Answer):
    """Lowest, highest and mean cell voltage, and whose they are."""

    cell_voltage_min_v: Number
    cell_voltage_min_cell: int
    cell_voltage_max_v: Number
    cell_voltage_max_cell: int
    cell_voltage_mean_v: Number
    cell_voltage_difference_v: Number
    cells: int
    cells_usable: int


class StateNow(CellSummary):
    """The pack at one moment."""

    name: str
    profile: str
    simulated: bool
    source: str
    notes: list[str]
    time: str | None = Field(description="ISO 8601, UTC")
    uptime_s: Number
    state: State
    state_since_s: Number
    state_reason: str
    fault_level: Level
    image_age_s: Number
    driver_age_s: Number
    guard_age_s: Number
    stale: bool
    contactors: dict[str, Position] = Field(description="As fed back where there is feedback, else as driven")
    contactors_driven: dict[str, Position]
    contactors_disagree: list[str]
    pyrofuse: Literal["intact", "fired"] | None
    fuse_blown: bool | None
    enables: Enables
    guard: Guard
    trip: Trip
    alarms: list[Alarm]
    faults: list[FaultNow]
    latched_faults: int
    limits: Limits
    wish: Wish
    scenario: Scenario
    pack_voltage_v: Number
    bus_voltage_v: Number
    cell_voltage_sum_v: Number
    current_a: Number
    current_quality: str
    power_w: Number
    insulation_ohm: Number
    hvil_closed: bool | None
    crash: bool | None
    soc: Number
    soc_std: Number
    soc_min: Number
    soc_max: Number
    soc_mean: Number
    soh: Number
    estimate_ready: bool
    remaining_energy_wh: Number
    charge_throughput_ah: Number
    discharge_throughput_ah: Number
    temperature_min_c: Number
    temperature_min_sensor: int
    temperature_max_c: Number
    temperature_max_sensor: int
    temperature_mean_c: Number
    temperature_sensors: int
    temperatures_usable: int
    ambient_c: Number
    coolant_inlet_c: Number
    coolant_outlet_c: Number
    balancing_cells: int
    balancing_heat_w: Number
    balancing_board_max_c: Number
    pump: Number
    fan: Number
    heater: Number


class CellsSummary(CellSummary):
    """The same, with SOC."""

    soc_min: Number
    soc_min_cell: int
    soc_max: Number
    soc_max_cell: int
    soc_mean: Number
    soc_difference: Number


class SensorsNow(Answer):
    """Temperature sensors, one entry each."""

    temperature_c: list[Number]
    quality: list[str]
    age_s: list[Number]


class ModulesNow(Answer):
    """Modules, one entry each."""

    temperature_min_c: list[Number]
    temperature_max_c: list[Number]
    balancing_heat_w: list[Number]
    balancing_board_c: list[Number]


class CellsNow(Answer):
    """All cells, one entry each."""

    voltage_v: list[Number]
    temperature_c: list[Number]
    soc: list[Number]
    soc_std: list[Number]
    balancing: list[bool]
    quality: list[str]
    temperature_quality: list[str]
    cells_per_module: int
    sensors: SensorsNow
    modules: ModulesNow
    summary: CellsSummary
    image_age_s: Number


class CellNow(BaseModel):
    """One cell: every quantity of the catalogue (docs/reference/signals.md), and how it stands to the others."""

    model_config = ConfigDict(extra="allow")

    cell: int
    module: int
    voltage_v: Number
    temperature_c: Number
    soc: Number
    soc_std: Number
    balancing: bool | None
    quality: str | None
    voltage_against_mean_v: Number
    voltage_rank: int | None
    soc_rank: int | None
    image_age_s: Number


class Quantiles(Answer):
    """Quantiles of a time in microseconds, since the process started."""

    p50: Number
    p99: Number
    p999: Number
    max: Number


class Process(Answer):
    """One process of the BMS."""

    pid: int | None
    alive: bool
    frozen: bool
    cpu_s: Number
    rss_mib: Number
    pss_mib: Number
    age_s: Number = Field(description="Since its last cycle")
    state: str
    uptime_s: Number
    cycles: int
    overruns: int
    overruns_own: int
    overruns_late: int
    skipped: int
    period_s: Number
    fifo: str
    memory_locked: str
    cycle_us: Quantiles | None = None
    lateness_us: Quantiles | None = None


class RecorderNow(BaseModel):
    """What the recorder says about itself; `seen` false before it has."""

    model_config = ConfigDict(extra="allow")

    seen: bool
    state: str
    age_s: Number
    recorded_ticks: int | None = None
    dropped_ticks: int | None = None
    state_copy_age_s: Number = None


class Event(Answer):
    """Something that has happened."""

    number: int
    time: str | None
    wall_s: Number
    kind: Literal["fault", "state", "contactor", "enable", "trip", "guard", "process", "command"]
    level: Level
    fault: str
    name: str
    action: str
    place: int
    where: str
    value: Number
    unit: str
    text: str
    has_values: bool


class FaultHistory(Answer):
    """A fault that has happened: when first and last, and how often."""

    fault: str
    name: str
    action: str
    level: Level
    latched: bool
    count: int
    first: str | None
    last: str | None
    place: int
    text: str


class Events(Answer):
    """What has happened, newest first."""

    events: list[Event]
    faults: list[FaultHistory]
    lost: int = Field(description="Events that were overwritten before they could be read")


class Trace(Answer):
    """One quantity around an event."""

    unit: str
    values: list[Number]
    before: Number
    after: Number


class EventValues(Answer):
    """Key values from two seconds before an event to two seconds after it."""

    event: Event
    time_s: list[Number] = Field(description="Seconds from the event")
    signals: dict[str, Trace]


class FaultKind(Answer):
    """One fault of the catalogue."""

    id: str
    name: str
    meaning: str
    action: str
    unit: str
    scope: str
    direction: str
    dtc: str
    requirement: str
    latching: bool
    blocks: str
    judged: bool = Field(description="This pack has what the rule needs")
    levels: dict[str, Any]


class InjectableFault(Answer):
    """One fault that can be made in a simulated battery."""

    name: str
    place: Literal["cell", "module", "contactor", "sensor", "pack"]
    meaning: str
    value: str
    unit: str
    default: Number
    takes_value: bool
    lasting: bool


class FaultKinds(Answer):
    """The fault catalogue, and what can be injected (nothing into a real battery)."""

    faults: list[FaultKind]
    injectable: list[InjectableFault]


class SignalKind(Answer):
    """One quantity of the catalogue."""

    name: str
    unit: str
    meaning: str
    count: int = Field(description="How many there are; more than one are named `name[0]` and on")
    choices: list[str]


class SignalKinds(Answer):
    """All quantities that can be asked for by name."""

    signals: list[SignalKind]


class SignalValues(Answer):
    """Values by name. A state is told by its name."""

    time: str | None
    image_age_s: Number
    values: dict[str, float | int | bool | str | None]
    units: dict[str, str]


class Measurement(Answer):
    """Health of one measurement."""

    name: str
    meaning: str
    unit: str
    value: Number
    age_s: Number
    quality: str
    reason: str


class HistoryNow(Answer):
    """One signal over time: `mean`, `minimum` and `maximum` of equal stretches that begin at `time_s`."""

    signal: str
    unit: str
    choices: list[str]
    level: str
    step_s: float
    time_s: list[float]
    mean: list[Number]
    minimum: list[Number]
    maximum: list[Number]
    problems: list[str]


class HistorySignal(Answer):
    """A signal that the history has."""

    name: str
    unit: str
    meaning: str
    finest: str
    choices: list[str]


class HistorySpan(Answer):
    """How far the history reaches, in seconds since 1970, and how large it is."""

    from_s: float
    to_s: float
    days: int
    files: int
    bytes: int
    problems: list[str]


class HistoryContents(Answer):
    """What the history holds; `span` null while it is empty."""

    span: HistorySpan | None
    signals: list[HistorySignal]


class HistoryEvent(Answer):
    """An event out of the history."""

    time_s: float
    kind: str
    name: str
    level: str
    previous: str
    place: int
    value: Number
    text: str


class HistoryEvents(Answer):
    """Events between two moments, oldest first."""

    events: list[HistoryEvent]


class ProfileRow(Answer):
    """One line of the comparison; `values` in the order of `systems`."""

    section: str
    label: str
    why: str
    values: list[str]
    differs: bool


class Profiles(Answer):
    """EV and storage side by side, this pack behind them."""

    systems: list[str]
    rows: list[ProfileRow]


class CommandBody(BaseModel):
    """A command. `fault`, `place`, `value` and `end` go with `inject`; `value` also with the derating commands."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"command": "connect"},
                {"command": "derate_charge", "value": 0.5},
                {"command": "inject", "fault": "cell_internal_short", "place": 17},
                {"command": "inject", "fault": "sensor_offset", "place": "cell_voltage 3", "value": 0.05},
                {"command": "inject", "end": True},
            ]
        },
    )

    command: Literal[(*COMMANDS, "inject")]  # type: ignore[valid-type]
    value: Strict | None = None
    fault: Annotated[str, Field(max_length=64)] | None = None
    place: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | Annotated[str, Field(max_length=64)] | None = None
    end: StrictBool = False


class CommandAnswer(Answer):
    """What became of a command: `reason` says why it was not accepted."""

    accepted: bool
    reason: str = Field(examples=["", "latched faults wait to be acknowledged first"])


class CommandProblem(CommandAnswer):
    """A command that makes no sense: `detail` and `reason` say why."""

    detail: str
