"""The temperature of a test: what the user says, the file's description, its name, or its own channel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatch

import numpy as np

from ionward.battery.logs import Log
from ionward.errors import UserError

_IN_NAME = re.compile(r"(?:^|[_\- ])(?P<sign>n|m|-|minus)?(?P<value>\d{1,2})\s?(?:deg)?c(?:[_\- .]|$)", re.IGNORECASE)


def parse_temperatures(options: list[str]) -> dict[str, float]:
    """`FILE=DEG` options. Raises UserError where one has another form."""
    out = {}
    for option in options:
        name, _, value = option.rpartition("=")
        try:
            out[name.strip()] = float(value)
        except ValueError:
            out[""] = float("nan")
        if not name.strip() or not np.isfinite(out.get(name.strip(), np.nan)):
            raise UserError(f"--temperature {option}: write it as FILE=DEGREES, for example 'log_a.csv=25'")
    return out


def temperature_of(log: Log, given: Mapping[str, float]) -> tuple[float, str]:
    """Nominal temperature of a log, degC, and where it was taken from.

    Args:
        log: the log.
        given: file name (or pattern, or path) to temperature.

    Raises:
        UserError: it cannot be known.
    """
    for name, value in given.items():
        last = name.replace("\\", "/").rsplit("/", 1)[-1]
        if log.source == last or fnmatch(log.source, last):
            return value, "option --temperature"
    try:
        return float(str(log.metadata.get("ambient_c", ""))), "the file's own description"
    except ValueError:
        pass
    match = _IN_NAME.search(log.source)
    if match:
        sign = -1 if match["sign"] and match["sign"].lower() not in ("_",) else 1
        return sign * float(match["value"]), "the file's name"
    if log.temperature_c is not None and np.isfinite(log.temperature_c).any():
        return round(float(np.nanmedian(log.temperature_c)), 1), "its temperature channel (median)"
    raise UserError(
        f"{log.source}: its temperature is unknown: it has no temperature column and none in its name; "
        f"give --temperature {log.source}=DEGREES"
    )
