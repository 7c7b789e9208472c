"""What stands in a system where its file says nothing: profiles. What follows from other values: `battery.derived`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

Values = dict[str, Any]


@cache
def _profile_text(profile: str) -> str:
    return (resources.files("ionward.battery") / "profiles" / f"{profile}.toml").read_text(encoding="utf-8")


def profile_defaults(profile: str | None) -> Values:
    """Values of a profile, as nested tables; of an unknown one those of `ev`, so that the rest can be checked."""
    return tomllib.loads(_profile_text(profile or "ev"))


def merge(below: Values, above: Values) -> Values:
    """Two nested tables as one; where both have a value, the one above counts."""
    out = dict(below)
    for key, value in above.items():
        inner = out.get(key)
        out[key] = merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return out
