"""How the pack meets its load: contactors, precharge, fuse and DC link."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from ionward.battery.part import Count, NotNegative, Positive, SystemPart

WATCHDOG_GPIO = re.compile(r"gpio:(?:/dev/)?(?P<chip>\w+)/(?P<line>\d+)")
WATCHDOG_HELP = "write a device as /dev/watchdog, or gpio:CHIP/LINE as gpio:gpiochip0/17"


Life = Annotated[list[Annotated[list[NotNegative], Field(min_length=2, max_length=2)]], Field(max_length=12)]


class OtherContactor(SystemPart):
    """What is different in the negative main contactor: `[contactors.negative]`. The rest is as in `[contactors]`."""

    close_time_s: Annotated[NotNegative | None, Field(description="Typical time to close, as the twin behaves")] = None
    open_time_s: Annotated[NotNegative | None, Field(description="Typical time to open, as the twin behaves")] = None
    break_current_a: Annotated[Positive | None, Field(description="Current that it may break")] = None
    break_charge_a: Annotated[Positive | None, Field(description="… where it breaks charge current otherwise")] = None
    break_discharge_a: Annotated[Positive | None, Field(description="… where it breaks discharge otherwise")] = None
    life: Annotated[Life | None, Field(description="Its electrical life, where it is another")] = None


class Contactors(SystemPart):
    """Main contactors of the pack: `[contactors]`."""

    fitted: Annotated[bool, Field(description="The pack switches its own contactors")] = True
    close_time_s: Annotated[NotNegative, Field(description="Typical time to close, as the twin behaves")] = 0.02
    open_time_s: Annotated[NotNegative, Field(description="Typical time to open, as the twin behaves")] = 0.01
    close_timeout_s: Annotated[Positive, Field(description="The feedback must follow within this when closing")] = 0.2
    open_timeout_s: Annotated[Positive, Field(description="The feedback must follow within this when opening")] = 0.1
    break_current_a: Annotated[Positive, Field(description="Current that a contactor may break")]
    break_charge_a: Annotated[
        Positive | None, Field(description="Charge current that it may break, where its arc chutes have a direction")
    ] = None
    break_discharge_a: Annotated[
        Positive | None, Field(description="Discharge current that it may break, where they have a direction")
    ] = None
    life: Annotated[
        Life,
        Field(
            default_factory=list,
            description="Electrical life: [current in A, openings borne], currents rising; empty: not counted",
        ),
    ]
    negative: Annotated[
        OtherContactor | None, Field(description="The negative contactor, where it is of another kind (fast drop-out)")
    ] = None
    open_wait_s: Annotated[
        NotNegative, Field(description="An opening in order waits so long at most for the current to fall")
    ] = 1.0
    one_way: Annotated[
        bool,
        Field(
            description="Each switch blocks one direction (MOSFETs back to back, or diodes across contactors): the "
            "positive one discharge, the negative one charge"
        ),
    ] = False
    diode_v: Annotated[
        Positive, Field(le=3.0, description="… and drops so much while it is open and the current flows the other way")
    ] = 0.7

    def breaks_a(self, negative: bool, charge: bool) -> float:
        """Current that the positive or the negative contactor may break in one direction.

        Of one-way switches it is always that of the one which blocks this direction: the other one has no say in it.
        """
        own = self.negative if (charge if self.one_way else negative) else None
        name = "break_charge_a" if charge else "break_discharge_a"
        if own is not None:
            found = getattr(own, name) or own.break_current_a
            if found is not None:
                return float(found)
        return float(getattr(self, name) or self.break_current_a)

    def life_of(self, negative: bool) -> list[list[float]]:
        """Electrical life of the positive or the negative contactor: `[current in A, openings]`; empty: unknown."""
        own = self.negative.life if negative and self.negative is not None else None
        return self.life if own is None else own


class Precharge(SystemPart):
    """Charging of the DC link through a resistor: `[precharge]`."""

    fitted: Annotated[bool, Field(description="The pack has a precharge contactor and resistor")] = True
    resistance_ohm: Annotated[Positive, Field(description="Precharge resistor")]
    resistor_energy_j: Annotated[
        Positive, Field(description="Energy that the resistor bears in one try, before it must cool")
    ] = 5000.0
    done_v: Annotated[Positive, Field(description="Precharge is complete when bus and pack differ by less")]
    done_a: Annotated[
        Positive,
        Field(description="… and the current is below this"),
    ]
    timeout_s: Annotated[Positive, Field(description="Longest precharge")] = 2.0
    tries: Annotated[Count, Field(description="Tries before a person is asked")] = 3
    pause_s: Annotated[NotNegative, Field(description="Cool-down of the resistor after a failed try")] = 5.0


class Fuse(SystemPart):
    """Main fuse: `[fuse]`."""

    fitted: Annotated[bool, Field(description="The pack has a main fuse")] = True
    pyrofuse: Annotated[
        bool, Field(description="A pyrotechnic fuse, fired by the BMS, opens what contactors may not")
    ] = False
    fire_on_crash: Annotated[
        bool, Field(description="The pyrofuse is also fired when the crash signal says that the vehicle crashes")
    ] = False
    test_mode: Annotated[
        bool, Field(description="For work on the pack: the BMS behaves as ever, but the pyrofuse can never be fired")
    ] = False
    rating_a: Annotated[Positive, Field(description="Current that the fuse carries for ever")]
    curve: Annotated[
        list[Annotated[list[Positive], Field(min_length=2, max_length=2)]],
        Field(
            min_length=2,
            description="Melting curve: [current in A, time in s], currents rising, times falling",
        ),
    ]


class DcLink(SystemPart):
    """What hangs on the load side of the contactors: `[dc_link]`."""

    capacitance_f: Annotated[NotNegative, Field(description="Capacitors of inverter, charger and converters together")]
    discharge_ohm: Annotated[Positive, Field(description="Resistance that empties the link when the pack is open")]
    dead_v: Annotated[Positive, Field(description="A bus below this counts as dead")]


class Watchdog(SystemPart):
    """Hardware watchdog, stroked only while control and guard agree: `[watchdog]`."""

    device: Annotated[
        str, Field(description="Its device: /dev/watchdog (resets the machine) or gpio:CHIP/LINE (a pulse); empty none")
    ] = ""
    timeout_s: Annotated[
        Positive, Field(le=300.0, description="It bites after this; it is stroked five times as often")
    ] = 5.0
