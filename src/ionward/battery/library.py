"""The cell library: models that come with Ionward, and files of the user."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ionward.battery.cell import CellModel
from ionward.battery.cell_checks import cell_problems
from ionward.battery.files import read_toml
from ionward.battery.problems import did_you_mean, problems_of
from ionward.errors import UserError


def names() -> list[str]:
    """Names of the cells that come with Ionward."""
    folder = resources.files("ionward.battery") / "cells"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def load_cell(name: str, beside: Path | None = None) -> CellModel:
    """Load a cell by library name, or from a TOML file (a relative path is taken from the folder `beside`).

    Raises:
        UserError: the name is unknown, or the file cannot be read or is not a sound cell model.
    """
    if name.endswith(".toml"):
        path = (beside or Path()) / name
        return _checked(read_toml(path), str(path))
    if name not in names():
        raise UserError(f"unknown cell '{name}'; {did_you_mean(name, names())} or a .toml file")
    text = (resources.files("ionward.battery") / "cells" / f"{name}.toml").read_text(encoding="utf-8")
    return _checked(tomllib.loads(text), name)


def _checked(values: dict[str, Any], where: str) -> CellModel:
    try:
        cell = CellModel.model_validate(values)
    except ValidationError as error:
        raise UserError(*(p.line(where) for _, p in problems_of(error, CellModel, frozenset()))) from None
    if problems := cell_problems(cell):
        raise UserError(*(f"{where}: {problem}" for problem in problems))
    return cell
