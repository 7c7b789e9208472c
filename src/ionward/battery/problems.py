"""One clear line for each thing that is wrong in a file of the user."""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Iterable
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

MISSING = "is missing"


class Problem(NamedTuple):
    """What is wrong with the value at a key, and what would be right. `value` None: there is none.

    `uses` names the other keys that the value was compared with; None: the whole system.
    """

    key: str
    value: object
    wrong: str
    allowed: str
    uses: tuple[str, ...] | None = None

    def line(self, file: str) -> str:
        """The problem as a line: file, key, value, what is wrong, what is allowed."""
        value = "" if self.value is None else f" value {show(self.value)}:"
        text = f"{file}: {self.key}:{value} {self.wrong}; {self.allowed}"
        # A key in quotes can hold a line break: one problem stays one line.
        return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def show(value: object) -> str:
    """A value as a person would write it in TOML, cut when long."""
    if isinstance(value, float):
        return f"{value:g}"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def key_path(place: Iterable[int | str]) -> str:
    """A place in the file as a person writes it: `fuse.curve[1]`."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place).lstrip(".")


def did_you_mean(word: str, known: Iterable[str], listed_by: str = "") -> str:
    """`did you mean …?` for a near miss, else the list of what is known.

    Where that would be too long to read, `listed_by` says what lists it, and the nearest few are named.
    """
    names = [str(k) for k in known]
    near = difflib.get_close_matches(word, names, 1, 0.6)
    if near:
        return f"did you mean {near[0]}?"
    if not listed_by:
        return f"allowed: {', '.join(names)}"
    few = difflib.get_close_matches(word, names, 3, 0.4) or [name for name in names if word and word in name][:3]
    return (f"the nearest: {', '.join(few)}; " if few else "") + f"{listed_by} lists all"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, dict, list, typing.Annotated):
        for part in typing.get_args(annotation):
            if found := _model_in(part):
                return found
    return None


def _known_keys(model: type[BaseModel], place: tuple[int | str, ...], hidden: frozenset[str]) -> list[str]:
    """Keys that the table at `place` may have."""
    for key in place:
        field = model.model_fields.get(str(key))
        inner = _model_in(field.annotation) if field else None
        if inner is not None:
            model = inner
    return [name for name in model.model_fields if name not in hidden]


def _reason(error: Any) -> tuple[str, str]:
    """What is wrong and what is allowed, from one of pydantic's errors."""
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return MISSING, "write it"
        case "float_type" | "int_type" | "float_parsing" | "int_parsing":
            kind = "whole number" if error["type"].startswith("int") else "number"
            return f"is not a {kind}", f"allowed: a {kind} without quotes"
        case "int_from_float":
            return "is not a whole number", "allowed: a whole number"
        case "finite_number":
            return "is not a finite number", "allowed: a finite number"
        case "bool_type":
            return "is neither true nor false", "allowed: true or false"
        case "string_type":
            return "is not text", "allowed: text in quotes"
        case "literal_error":
            return "is unknown", f"allowed: {context['expected'].replace(chr(39), '')}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "is not a table", "allowed: a table of keys and values"
        case "list_type":
            return "is not a list", "allowed: a list"
        case "greater_than":
            return "is too small", f"allowed: more than {context['gt']:g}"
        case "greater_than_equal":
            return "is too small", f"allowed: {context['ge']:g} or more"
        case "less_than":
            return "is too large", f"allowed: less than {context['lt']:g}"
        case "less_than_equal":
            return "is too large", f"allowed: {context['le']:g} or less"
        case "too_short":
            return f"has {context['actual_length']} entries", f"allowed: {context['min_length']} or more"
        case "too_long":
            return (
                f"has {context.get('actual_length', 'too many')} entries",
                f"allowed: {context['max_length']} or less",
            )
        case "string_too_short":
            return "is empty", "allowed: text that is not empty"
        case "string_too_long":
            return "is too long", f"allowed: {context['max_length']} characters or less"
    return str(error["msg"]), "see the configuration reference"


def problems_of(error: ValidationError, model: type[BaseModel], hidden: frozenset[str]) -> list[tuple[Any, Problem]]:
    """Each of pydantic's errors with its place, as a problem. `hidden` keys are no business of the user.

    Meets SR-191.
    """
    found: dict[tuple[int | str, ...], Problem] = {}
    for e in error.errors():
        # Alternatives of a union add their names to the place: they are no keys of the file.
        place = tuple(p for p in e["loc"] if not (isinstance(p, str) and (p == "LevelChange" or "[" in p)))
        of_union = len(e["loc"]) > len(place)
        if of_union and len(place) == 3 and isinstance(e["input"], dict):
            continue  # a level of the ladder that is a table, with its own errors told
        if e["type"] == "extra_forbidden":
            key = str(e["loc"][-1])
            reason = ("unknown key", did_you_mean(key, _known_keys(model, place[:-1], hidden)))
        elif of_union and len(place) == 3:
            reason = ("is neither a table nor false", "allowed: { set, clear, delay_samples, delay_s } or false")
        else:
            reason = _reason(e)
        value = None if e["type"] in ("missing", "extra_forbidden") else e["input"]
        found.setdefault(place, Problem(key_path(place), value, *reason))
    return list(found.items())
