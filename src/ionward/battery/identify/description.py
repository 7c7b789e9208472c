"""What cannot be measured in a log: name, chemistry, data sheet, source of the data."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from ionward.battery.cell import CellModel, DataSheet, Part, Thermal
from ionward.errors import UserError

Chemistry = Literal["NMC", "NCA", "LFP", "LMO", "LCO", "LTO"]


class CellDescription(Part):
    """Description of a cell that is to be identified.

    `ocv` and `dynamic` are file patterns below a data folder; the script that renews the library uses them.
    `thermal` stands in where no log has a surface temperature.
    """

    name: str
    title: str
    chemistry: Chemistry
    data_sheet: DataSheet
    capacity_ah: float | None = None
    data: str = "logs of the user"
    licence: str = "not stated"
    not_measured: tuple[str, ...] = ()
    thermal: Thermal | None = None
    ocv: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()


def read_description(path: Path) -> CellDescription:
    """Read a description from TOML.

    Raises:
        UserError: the file cannot be read or has wrong values; each is one line.
    """
    try:
        return CellDescription.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError(*lines) from None


def like(cell: CellModel, **changes: object) -> CellDescription:
    """Description of a cell that has the data sheet of a known one."""
    known: dict[str, object] = {
        "name": f"like-{cell.name}",
        "title": f"like {cell.title}",
        "chemistry": cell.chemistry,
        "data_sheet": cell.data_sheet,
        "thermal": cell.thermal.model_copy(
            update={"measured": False, "source": f"taken from {cell.name}: {cell.thermal.source}"}
        ),
    }
    known.update({name: value for name, value in changes.items() if value is not None})
    return CellDescription.model_validate(known)
