"""Reading files that a person wrote."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from ionward.errors import UserError


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of the user.

    Raises:
        UserError: it does not exist, is a folder, is empty, is not UTF-8 or is not TOML.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name the .toml file in it")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: cannot be read: {reason}; check the path and its permissions") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}: is not UTF-8 text (line {line}); save it as UTF-8") from None
    if not text.strip():
        raise UserError(f"{path}: is empty; start from one of the examples")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{path}: is not valid TOML: {error}") from None


def describes_site(values: dict[str, Any]) -> bool:
    """These are the values of a file of several packs in parallel, not of one pack."""
    return "site" in values and "system" not in values
