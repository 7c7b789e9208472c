"""The reference of all keys of a system file, made from the models that check it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ionward.battery.defaults import profile_defaults
from ionward.battery.derived import DERIVED
from ionward.battery.part import SystemPart
from ionward.battery.problems import show
from ionward.battery.site_file import SiteFile
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

SITE_INTRODUCTION = """# Configuration of a site

Made from the models that check a site file. How to write such a file is explained in
[Describing a site](../site-file.md); the packs that it names have their own [configuration](configuration.md).

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
    """All keys below a model, in the order of the file: a table's own keys, then the tables in it."""
    for name, field in sorted(model.model_fields.items(), key=lambda item: _part(item[1].annotation) is not None):
        path = f"{prefix}{name}"
        if path in NOT_IN_FILES:
            continue
        inner = _part(field.annotation)
        if inner is not None:
            marks: dict[Any, str] = {dict: ".<fault>.", list: "[]."}
            yield from keys(inner, path + marks.get(typing.get_origin(field.annotation), "."))
        else:
            kind, allowed = _kind(field)
            default = field.default
            if field.default_factory is not None:
                default = field.get_default(call_default_factory=True, validated_data={})
            yield Key(path, kind, allowed, unit_of(name), default, field.description or "")


def _part(annotation: Any) -> type[SystemPart] | None:
    """The table that a field holds, if it holds one. A level of a fault is told as a value, not as a table."""
    annotation, _ = _given(annotation)
    if isinstance(annotation, type) and issubclass(annotation, SystemPart):
        return annotation
    if typing.get_origin(annotation) is dict:
        return _part(typing.get_args(annotation)[1])
    if typing.get_origin(annotation) is list:
        return _part(typing.get_args(annotation)[0])
    return None


def _given(annotation: Any) -> tuple[Any, list[Any]]:
    """The type of a value that may be left out (`X | None`) when it is there, and its bounds."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        there = [part for part in typing.get_args(annotation) if part is not types.NoneType]
        if len(there) == 1:
            return _given(there[0])
    if typing.get_origin(annotation) is Annotated:
        kind, *marks = typing.get_args(annotation)
        return kind, [bound for mark in marks if isinstance(mark, FieldInfo) for bound in mark.metadata]
    return annotation, []


def _kind(field: FieldInfo) -> tuple[str, str]:
    annotation, inner_bounds = _given(field.annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return "text", ", ".join(f"`{value}`" for value in typing.get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        return "table or `false`", "`set`, `clear`, `delay_samples`, `delay_s`"
    kinds: dict[Any, str] = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    kind = kinds.get(annotation, "list")
    bounds = []
    for constraint in [*field.metadata, *inner_bounds]:
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
    return default_alone(key)


def default_alone(key: Key) -> str:
    """What counts when the file does not say it and there is no profile."""
    if key.default is PydanticUndefined:
        return "required"
    return "–" if key.default is None else f"`{show(key.default)}`"


def configuration_reference() -> str:
    """All keys with type, unit, defaults of each profile, allowed values and meaning, as Markdown."""
    profiles = {name: profile_defaults(name) for name in PROFILES}
    text, heading = INTRODUCTION, ""
    for key in keys():
        defaults = {name: default_text(key, profile) for name, profile in profiles.items()}
        text, heading = text + _row(key, _defaults(defaults), heading), _table_of(key)
    return text


def site_reference() -> str:
    """All keys of a site file, as Markdown."""
    text, heading = SITE_INTRODUCTION, ""
    for key in keys(SiteFile):
        text, heading = text + _row(key, default_alone(key), heading), _table_of(key)
    return text


def _table_of(key: Key) -> str:
    return key.path.rpartition(".")[0]


def _row(key: Key, default: str, heading: str) -> str:
    """A row of the reference, below the heading of its table where that is another than the last one's."""
    text, table = "", _table_of(key)
    if table != heading:
        shown = f"[[{table[:-2]}]]" if table.endswith("[]") else f"[{table.replace('[]', '')}]"
        text += f"\n## `{shown}`\n\n| key | type | unit | default | allowed | meaning |\n"
        text += "| --- | --- | --- | --- | --- | --- |\n"
    cells = (f"`{key.path.rpartition('.')[2]}`", key.kind, key.unit, default, key.allowed, key.meaning)
    return text + "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _defaults(by_profile: dict[str, str]) -> str:
    """Defaults of the profiles, once where all agree."""
    if len(set(by_profile.values())) == 1:
        return next(iter(by_profile.values()))
    return "<br>".join(f"{profile}: {text}" for profile, text in by_profile.items())
