"""What the HTTP API says about the BMS now: state, cells, measurements, processes, recorder."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ionward.gateway.api_answers import Answer, Level, Number
from ionward.image.signals import STATES

Position = Literal["open", "closed"]
State = Literal[STATES]  # type: ignore[valid-type]


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
    cools_s: Number = Field(description="Seconds until it can be acknowledged, or is retried")
    retries: int = Field(description="Retries used within the last hour")
    dtc: str
    service: bool = Field(description="Its latch is a lock that only the service action `release` takes away")
    masked: bool = Field(description="A mask holds it at level info: nothing reacts to it")
    masked_level: Level = Field(description="Level that it would have without its mask")


class MaskNow(Answer):
    """A mask in force: its fault is told at level info at most, and nothing reacts to it."""

    fault: str = Field(examples=["cooling_lost"])
    name: str
    owner: str = Field(description="Who answers for it")
    reason: str
    until: str = Field(examples=["2026-12-24"])
    level: Level
    masked_level: Level = Field(description="Level that the fault would have now")


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
    blocked: Literal["", "charge", "discharge"] = Field(
        description="Direction that protection has blocked alone (one-way switches); empty: none, or everything is open"
    )
    fault_level: Level
    image_age_s: Number
    driver_age_s: Number
    guard_age_s: Number
    stale: bool
    contactors: dict[str, Position] = Field(description="As fed back where there is feedback, else as driven")
    contactors_driven: dict[str, Position]
    contactors_disagree: list[str]
    pyrofuse: Literal["intact", "fired"] | None
    pyrofuse_armed: bool | None = Field(description="The path can carry current and the igniter loop is intact")
    pyrofuse_test: bool | None = Field(description="Test mode: the pyrofuse can never be fired")
    watchdog: Literal["none", "not started", "stroked", "not stroked", "closed in order", "failed"] = Field(
        description="Hardware watchdog"
    )
    fuse_blown: bool | None
    enables: Enables
    guard: Guard
    trip: Trip
    alarms: list[Alarm]
    faults: list[FaultNow]
    latched_faults: int
    masked_faults: int
    masks: list[MaskNow]
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


class Measurement(Answer):
    """Health of one measurement."""

    name: str
    meaning: str
    unit: str
    value: Number
    age_s: Number
    quality: str
    reason: str
