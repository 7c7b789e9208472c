"""EV and storage side by side as a page: what `runtime.profiles_view` tells, as HTML."""

from __future__ import annotations

from html import escape

from ionward.battery.system import System
from ionward.runtime.profiles_view import LadderRow, Row, comparison, ladders, typical

NAMES = ("EV", "Storage")


def page(own: System | None) -> str:
    """The whole page. `own` is the pack that runs, shown as a third column."""
    header = _header(own)
    rows = comparison(own)
    sections = dict.fromkeys(row.section for row in rows)
    tables = "".join(
        f'<section class="card"><h2>{escape(section)}</h2>{_table(header, [r for r in rows if r.section == section])}'
        "</section>"
        for section in sections
    )
    differing = sum(row.differs for row in rows)
    return (
        '<header class="ion-page-head"><h1>EV or storage</h1>'
        f"<p>The same program runs both; the profile in the pack file tells them apart. {differing} of {len(rows)} "
        "figures differ between a typical pack of each: "
        f"<b>{escape(typical('ev').system.name)}</b> and <b>{escape(typical('storage').system.name)}</b>, as the "
        "loader resolves them. Where they differ there is a <b>≠</b> and figures are set strong.</p></header>"
        f"{tables}"
        '<section class="card"><details class="ladder"><summary>Every fault: thresholds and times as they count'
        f"</summary>{_ladder_table(header, ladders(own))}</details></section>"
    )


def _header(own: System | None) -> tuple[str, ...]:
    return (*NAMES, *([f"This pack: {own.system.name}"] if own is not None else []))


def _head(header: tuple[str, ...]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in header)
    return f"<thead><tr><th></th>{cells}</tr></thead>"


def _table(header: tuple[str, ...], rows: list[Row]) -> str:
    body = "".join(
        f'<tr data-differs="{int(row.differs)}"><td>{escape(row.label)}<small>{escape(row.why)}</small></td>'
        + "".join(_cell(header, k, escape(value)) for k, value in enumerate(row.values))
        + "</tr>"
        for row in rows
    )
    return f'<div class="table-wrap"><table class="data compare">{_head(header)}<tbody>{body}</tbody></table></div>'


def _ladder_table(header: tuple[str, ...], rows: list[LadderRow]) -> str:
    def levels(values: tuple[str, ...]) -> str:
        told = "".join(f"<span>{escape(level)}</span>" for level in values)
        return f'<span class="level-list">{told or "not judged"}</span>'

    body = "".join(
        f'<tr data-differs="{int(row.differs)}"><td>{escape(row.fault.name)}</td>'
        + "".join(_cell(header, k, levels(values)) for k, values in enumerate(row.values))
        + "</tr>"
        for row in rows
    )
    return f'<div class="table-wrap"><table class="data compare">{_head(header)}<tbody>{body}</tbody></table></div>'


def _cell(header: tuple[str, ...], k: int, inside: str) -> str:
    own = ' class="own"' if k >= len(NAMES) else ""
    return f'<td data-label="{escape(header[k])}"{own}>{inside}</td>'
