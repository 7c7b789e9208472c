"""What the HTTP API says about events, the catalogue and history, and the commands that it takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from ionward.gateway.api_answers import Answer, Level, Number
from ionward.image.exchange import COMMANDS

Strict = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Event(Answer):
    """Something that has happened."""

    number: int
    time: str | None
    wall_s: Number
    kind: Literal["fault", "mask", "state", "contactor", "enable", "trip", "guard", "process", "command"]
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
    service: bool
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


class RememberedFault(Answer):
    """One fault at one place, over restarts. Times are of its first and its latest occurrence."""

    fault: str = Field(examples=["cell_overvoltage"])
    name: str
    meaning: str
    action: str
    dtc: str
    place: int
    where: str = Field(examples=["cell 17"])
    status: int = Field(description="Status byte of ISO 14229-1; `status_available` tells which bits are kept")
    test_failed: bool = Field(description="It stands now")
    failed_this_cycle: bool
    pending: bool
    confirmed: bool
    latched: bool
    service: bool
    level: Level
    worst: Level
    count: int
    first: str | None
    last: str | None
    value: Number = Field(description="What its rule judged when it was raised last")
    unit: str
    cycles_without: int = Field(description="Operation cycles in a row without it")


class RememberedShort(RememberedFault):
    """The same, with the names of its freeze frames."""

    frames: list[Literal["first", "latest"]]


class MemoryNote(Answer):
    """Something about the memory itself: damage that was found, for example."""

    time: str | None
    text: str


class FaultMemoryNow(Answer):
    """What has failed and where, over restarts: what stands first, then the latest first."""

    entries: list[RememberedShort]
    cycle: int = Field(description="Number of the operation cycle")
    cycle_began: str | None
    cleared: str | None
    ageing_cycles: int = Field(description="Cycles in a row without a fault until it is no longer confirmed")
    status_available: int
    lost: int = Field(description="Raised faults for which there was no room")
    notes: list[MemoryNote]
    problems: list[str]


class FrameSignal(Answer):
    """One quantity of a freeze frame; `judged` is what the fault's own rule judged."""

    unit: str
    meaning: str
    choices: list[str] = Field(description="Names of the states that the values count")
    values: list[Number]


class FreezeFrame(Answer):
    """The second before a fault and the second after it, as control knew it."""

    time: str | None
    complete: bool = Field(description="The second after is whole")
    gaps: int = Field(description="Stretches that nobody saw")
    time_s: list[Number] = Field(description="Seconds from the fault")
    signals: dict[str, FrameSignal]


class RememberedWhole(RememberedFault):
    """One fault at one place with its freeze frames: `first` and `latest`, where there are any."""

    frames: dict[Literal["first", "latest"], FreezeFrame]


class RememberedFaults(Answer):
    """One fault at all places where it was, the latest first."""

    entries: list[RememberedWhole]


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
    service: bool = Field(description="Its latch is a lock that only the service action `release` takes away")
    maskable: bool = Field(description="A pack file may mask it for a while")
    checks: list[str] = Field(description="What must have been checked before such a lock is released")
    blocks: str
    judged: bool = Field(description="This pack has what the rule needs")
    levels: dict[str, Any]


class InjectableFault(Answer):
    """One fault that can be made in a simulated battery."""

    name: str
    place: Literal["cell", "module", "contactor", "main contactor", "connector", "sensor", "pack"]
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
    """A command. `fault`, `place`, `value` and `end` go with `inject`; `value` also with the derating commands.

    `release` is the service action on a lock (`fault`), for whoever has examined what locked the pack.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"command": "connect"},
                {"command": "derate_charge", "value": 0.5},
                {"command": "inject", "fault": "cell_internal_short", "place": 17},
                {"command": "inject", "fault": "sensor_offset", "place": "cell_voltage 3", "value": 0.05},
                {"command": "inject", "end": True},
                {"command": "release", "fault": "deep_discharge"},
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
