"""The reference of all keys of a system file, made from the models that check it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ionward.battery.defaults import profile_defaults
from ionward.battery.derived import DERIVED
from ionward.battery.part import SystemPart
from ionward.battery.problems import show
from ionward.battery.system import NOT_IN_FILES, System
from ionward.battery.topology import PROFILES

# Endings of key names and the units that they tell, longest first.
UNITS = (
    ("_v_per_s", "V/s"), ("_k_per_s", "K/s"), ("_a_per_s", "A/s"), ("_ohm_per_s", "Ω/s"), ("_k_per_w", "K/W"),
    ("_w_per_k", "W/K"), ("_ohm", "Ω"), ("_ah", "Ah"), ("_s", "s"), ("_v", "V"), ("_a", "A"), ("_c", "°C"), ("_k", "K"),
    ("_f", "F"), ("_j", "J"), ("_w", "W"),
)  # fmt: skip

INTRODUCTION = """# Configuration

Made from the models that check a system file. A key that is not in your file has the value of your profile; where that
has none, the one given for all profiles: a fixed value, or (in italics) one that follows from other values. A sensor,
`[contactors]`, `[precharge]` or `[fuse]` whose table is in your file is fitted unless the table says otherwise. How to
write such a file is explained in [Describing a pack](../pack-file.md).

"""


class Key(NamedTuple):
    """One key of a system file."""

    path: str
    kind: str
    allowed: str
    unit: str
    default: object
    meaning: str


def unit_of(name: str) -> str:
    """Unit that the name of a key tells."""
    return next((unit for ending, unit in UNITS if name.endswith(ending)), "")


def keys(model: type[BaseModel] = System, prefix: str = "") -> Iterator[Key]:
    """All keys below a model, in the order of the file."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        if path in NOT_IN_FILES:
            continue
        inner = _part(field.annotation)
        if inner is not None:
            inner_path = {"faults": "faults.<fault>.", "masks": "masks[]."}.get(path, f"{path}.")
            yield from keys(inner, inner_path)
        else:
            kind, allowed = _kind(field)
            default = None if field.default is PydanticUndefined else field.default
            if field.default_factory is not None:
                default = field.get_default(call_default_factory=True, validated_data={})
            yield Key(path, kind, allowed, unit_of(name), default, field.description or "")


def _part(annotation: Any) -> type[SystemPart] | None:
    """The table that a field holds, if it holds one. A level of a fault is told as a value, not as a table."""
    if isinstance(annotation, type) and issubclass(annotation, SystemPart):
        return annotation
    if typing.get_origin(annotation) is dict:
        return _part(typing.get_args(annotation)[1])
    if typing.get_origin(annotation) is list:
        return _part(typing.get_args(annotation)[0])
    return None


def _kind(field: FieldInfo) -> tuple[str, str]:
    annotation = field.annotation
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return "text", ", ".join(f"`{value}`" for value in typing.get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        return "table or `false`", "`set`, `clear`, `delay_samples`, `delay_s`"
    kinds: dict[Any, str] = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    kind = kinds.get(annotation, "list")
    bounds = []
    for constraint in field.metadata:
        for attribute, sign in (("gt", "> "), ("ge", "≥ "), ("lt", "< "), ("le", "≤ ")):
            if (value := getattr(constraint, attribute, None)) is not None:
                bounds.append(f"{sign}{value:g}")
        if (length := getattr(constraint, "min_length", None)) and kind == "list":
            bounds.append(f"{length} points or more")
        if (length := getattr(constraint, "max_length", None)) and kind == "list":
            bounds.append(f"{length} at most")
    return kind, ", ".join(dict.fromkeys(bounds))


def default_text(key: Key, profile: dict[str, Any]) -> str:
    """What counts under a profile when the file does not say it."""
    value: Any = profile
    for part in key.path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is not None:
        return f"`{show(value)}`"
    if key.path in DERIVED:
        return f"*{DERIVED[key.path].text}*"
    if key.path.startswith("faults."):
        return "*catalogue*"
    return "required" if key.default is None else f"`{show(key.default)}`"


def configuration_reference() -> str:
    """All keys with type, unit, defaults of each profile, allowed values and meaning, as Markdown."""
    profiles = {name: profile_defaults(name) for name in PROFILES}
    text, heading = INTRODUCTION, ""
    for key in keys():
        table = key.path.rpartition(".")[0]
        if table != heading:
            heading = table
            shown = f"[[{table[:-2]}]]" if table.endswith("[]") else f"[{table}]"
            text += f"\n## `{shown}`\n\n| key | type | unit | default | allowed | meaning |\n"
            text += "| --- | --- | --- | --- | --- | --- |\n"
        defaults = {name: default_text(key, profile) for name, profile in profiles.items()}
        name = key.path.rpartition(".")[2]
        cells = (f"`{name}`", key.kind, key.unit, _defaults(defaults), key.allowed, key.meaning)
        text += "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
    return text


def _defaults(by_profile: dict[str, str]) -> str:
    """Defaults of the profiles, once where all agree."""
    if len(set(by_profile.values())) == 1:
        return next(iter(by_profile.values()))
    return "<br>".join(f"{profile}: {text}" for profile, text in by_profile.items())
