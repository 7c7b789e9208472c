"""Cell models as TOML text: commented, rounded, one row per temperature."""

from __future__ import annotations

import json
import textwrap

from ionward.battery.cell import CellModel, Part

_INTRO = """\
{title}

SOC, SOH and hysteresis are fractions; temperatures degC; resistances ohm; time constants s. Each row of a
table is one temperature of `temperature_c`, each column one SOC of `soc`; between them the values are
interpolated linearly. Voltage, current positive when charging: v = OCV + H h + M0 sgn(i) + R0 i + v1 + v2,
where OCV is the mean of charge_v and discharge_v and H half their distance. Made by `ionward identify`; do
not edit the numbers by hand."""


def cell_toml(cell: CellModel) -> str:
    """The text of a cell file; reading it gives the same model again."""
    intro = textwrap.indent(_INTRO.format(title=cell.title), "# ", lambda line: True).replace("# \n", "#\n")
    lines = [intro, ""]
    lines += [f"{k} = {json.dumps(getattr(cell, k), ensure_ascii=False)}" for k in ("name", "title", "chemistry")]
    for section in ("data_sheet", "capacity", "hysteresis", "thermal", "provenance", "ocv", "circuit"):
        lines += ["", f"[{section}]", *_part(getattr(cell, section))]
    for result in cell.fit:
        lines += ["", "[[fit]]", *_part(result)]
    return "\n".join(lines) + "\n"


def _part(part: Part) -> list[str]:
    lines = []
    for key, value in part:
        if isinstance(value, list) and value and isinstance(value[0], list):
            rows = ",\n".join(f"  [{', '.join(map(_number, row))}]" for row in value)
            lines.append(f"{key} = [\n{rows},\n]")
        elif isinstance(value, list) and value and isinstance(value[0], str):
            rows = ",\n".join(f"  {json.dumps(item, ensure_ascii=False)}" for item in value)
            lines.append(f"{key} = [\n{rows},\n]")
        elif isinstance(value, list):
            lines.append(f"{key} = [{', '.join(map(_number, value))}]")
        elif isinstance(value, bool):
            lines.append(f"{key} = {str(value).lower()}")
        elif isinstance(value, str):
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
        else:
            lines.append(f"{key} = {_number(value)}")
    return lines


def _number(value: float) -> str:
    return repr(value)
