"""The cell library: models that come with Ionward, and files of the user."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from ionward.battery.cell import CellModel
from ionward.errors import UserError


def names() -> list[str]:
    """Names of the cells that come with Ionward."""
    folder = resources.files("ionward.battery") / "cells"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def load_cell(name: str, beside: Path | None = None) -> CellModel:
    """Load a cell by library name, or from a TOML file (a relative path is taken from the folder `beside`).

    Raises:
        UserError: the name is unknown, or the file cannot be read or is not a cell model.
    """
    if name.endswith(".toml"):
        path = (beside or Path()) / name
        if not path.is_file():
            raise UserError(f"cell file {path} does not exist: check the path, it is taken from the pack file's folder")
        return _parse(path.read_text(encoding="utf-8"), str(path))
    if name not in names():
        raise UserError(f"unknown cell '{name}': the library has {', '.join(names())}; or name a .toml file")
    text = (resources.files("ionward.battery") / "cells" / f"{name}.toml").read_text(encoding="utf-8")
    return _parse(text, name)


def _parse(text: str, where: str) -> CellModel:
    try:
        return CellModel.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: not valid TOML: {error}") from None
    except ValidationError as error:
        lines = (f"{where}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError(*lines) from None
