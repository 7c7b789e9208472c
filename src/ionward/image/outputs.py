"""What the BMS wants done, as drivers take it."""

from __future__ import annotations

from typing import NamedTuple


class Outputs(NamedTuple):
    """What the BMS wants done. Contactors True = closed; demands 0..1; `bleed` one flag for each cell."""

    main_positive: bool
    main_negative: bool
    precharge: bool
    pyrofuse: bool
    pump: float
    fan: float
    heater: float
    bleed: object
