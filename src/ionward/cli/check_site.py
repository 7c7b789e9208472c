"""What `ionward check` shows of a site."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ionward.cli.check_tables import doubts, facts, seconds


def show_site(summary: dict[str, Any], console: Console) -> None:
    """Print the summary of a site for a person."""
    units = summary["site"]["units"]
    console.print(Text(summary["name"], style="bold"), Text(f"  site of {units} packs, {summary['file']}", "dim"))
    for table in (_units(summary), _together(summary), _peers(summary)):
        console.print()
        console.print(table)
    doubts(summary["doubts"], console)


def _units(summary: dict[str, Any]) -> Table:
    table = Table(title="Units", title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("pack", header_style="dim")
    for name in ("cells", "V", "kWh", "mΩ to the bus", "share", "votes"):
        table.add_column(name, header_style="dim", justify="right")
    table.add_column("listens at", header_style="dim")
    for unit in summary["units"]:
        table.add_row(
            unit["name"], unit["pack"], str(unit["cells_in_series"]), f"{unit['voltage_nominal_v']:.1f}",
            f"{unit['energy_kwh']:.1f}", f"{unit['resistance_ohm'] * 1e3:.3g}", f"{unit['share']:.1%}",
            str(unit["weight"]), unit["endpoint"],
        )  # fmt: skip
    return table


def _together(summary: dict[str, Any]) -> Table:
    site = summary["site"]

    def limit(way: str) -> str:
        return (
            f"{site[f'{way}_limit_a']:.0f} A ({site[f'{way}_power_kw']:,.0f} kW), "
            f"{site[f'{way}_limit_without_one_a']:.0f} A without one pack; "
            f"the packs' limits added up would be {site[f'{way}_limits_sum_a']:.0f} A"
        )

    return facts(
        "Together, all connected and equally full",
        [
            ("energy", f"{site['energy_kwh']:.4g} kWh"),
            (
                "voltage",
                f"{site['voltage_min_v']:.1f} … {site['voltage_nominal_v']:.1f} … {site['voltage_max_v']:.1f} V",
            ),
            ("charge", limit("charge")),
            ("discharge", limit("discharge")),
            ("bus", f"{summary['bus']['capacitance_f'] * 1e3:.3g} mF, precharged by the first pack"),
        ],
    )


def _peers(summary: dict[str, Any]) -> Table:
    peers, site = summary["peers"], summary["site"]
    fallback = f"{peers['fallback_share']:.0%} of its own limits" if peers["fallback_share"] else "no current"
    together = "brought together" if peers["bring_together"] else "left to wait"
    return facts(
        "Peers",
        [
            ("majority", f"{site['majority']} of {site['votes']} votes; without it a unit keeps to {fallback}"),
            (
                "rhythm",
                f"a message every {seconds(peers['period_s'])}; lost after {seconds(peers['deadline_s'])} of silence; "
                f"a vote lasts {seconds(peers['lease_s'])}",
            ),
            (
                "joining",
                f"with at most {peers['join_share']:.0%} of its limits; packs too far apart are {together}; a warning "
                f"after {seconds(peers['join_timeout_s'])}",
            ),
            ("messages", "with certificates (TLS)" if summary["tls"] else "without certificates"),
            ("digest", f"{summary['digest']}: units with another one are not heard"),
        ],
    )
