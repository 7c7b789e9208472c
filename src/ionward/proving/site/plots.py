"""Plots of a site's run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.patches import Patch

from ionward.battery.site import Site
from ionward.image.signals import STATE_INIT, STATES
from ionward.proving.plots import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    STATE_COLOURS,
    VIOLET,
    legend,
    new_figure,
    save,
    strip,
    time_axis,
    write_notes,
)
from ionward.proving.site.simulation import SiteResult
from ionward.proving.site.traces import SiteTraces

LEGEND_MOST = 8  # of more packs only the first and the last are named


def _colours(count: int) -> list[Any]:
    """One for each pack, in their order."""
    return [matplotlib.colormaps["viridis"](0.92 * k / max(count - 1, 1)) for k in range(count)]


def currents(path: Path, site: Site, result: SiteResult, traces: SiteTraces) -> None:
    """Currents of the packs side by side, of the site between its limits, and the SOC of the packs."""
    figure, (packs, whole, soc) = new_figure(f"{site.site.name}: {result.name}", [3, 3, 2], 10)
    t, label = time_axis(traces.fact("time_s"))
    names = traces.names
    for k, (name, colour) in enumerate(zip(names, _colours(len(names)), strict=True)):
        named = name if len(names) <= LEGEND_MOST or k in (0, len(names) - 1) else None
        packs.plot(t, traces.pack("current_a")[k], color=colour, lw=1.0, label=named)
        soc.plot(t, 100 * traces.pack("soc_true")[k], color=colour, lw=1.0)
        soc.plot(t, 100 * traces.pack("soc")[k], color=colour, lw=0.8, ls="--")
    packs.set_ylabel("A, each pack")
    legend(packs, LEGEND_MOST)
    charge, discharge = traces.fact("site_charge_limit_a"), -traces.fact("site_discharge_limit_a")
    whole.fill_between(t, discharge, charge, color=GREEN, alpha=0.10, lw=0, step="post", label="allowed")
    whole.step(t, charge, color=GREEN, lw=0.9, where="post", label="charge limit")
    whole.step(t, discharge, color=VIOLET, lw=0.9, where="post", label="discharge limit")
    whole.plot(t, traces.fact("source_a"), color=ORANGE, lw=1.0, label="load and charger")
    whole.plot(t, traces.fact("current_a"), color=INK, lw=0.8, label="all packs (positive charges)")
    whole.set_ylabel("A, the site")
    legend(whole, 5)
    soc.set_ylabel("SOC in % (dashed: estimated)")
    save(figure, [packs, whole, soc], label, path)


def course(path: Path, site: Site, result: SiteResult, traces: SiteTraces) -> None:
    """The state of every pack, who speaks, and what was done to the site."""
    figure, (voltage, axis) = new_figure(f"Course of events: {result.name}", [1, 4], 8)
    t, label = time_axis(traces.fact("time_s"))
    voltage.plot(t, traces.fact("bus_voltage_v"), color=BLUE, lw=1.1, label="common bus")
    voltage.set_ylabel("V")
    legend(voltage)
    names, states = traces.names, traces.pack("state")
    seen: set[int] = set()
    for k in range(len(names)):
        seen.update(strip(axis, t, states[k], k, [STATE_COLOURS[state] for state in STATES]))
        axis.plot(t, np.where(traces.fact("speaker") == k + 1, k, np.nan), color=INK, lw=2.5)
    scale = float(t[-1] / traces.fact("time_s")[-1]) if len(t) > 1 and t[-1] > 0 else 1.0
    notes = [(at_s * scale, words, INK) for at_s, words in result.actions]
    lanes = len(names) + write_notes(axis, notes, len(names), float(t[-1]) if len(t) else 1.0)
    labels = [*names, *(["done to it"] if lanes > len(names) else []), *([""] * (lanes - len(names) - 1))]
    axis.set_yticks(range(len(labels)), labels)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(lanes - 0.3, -0.6)
    axis.grid(axis="y", visible=False)
    words = {STATE_INIT: "init, or its unit does not run"}
    handles = [Patch(color=STATE_COLOURS[STATES[k]], label=words.get(k, STATES[k])) for k in sorted(seen)]
    handles.append(Patch(color=INK, label="line: speaks for the site"))
    legend(axis, 8, handles=handles)
    figure.set_figheight(4.2 + 0.3 * lanes)
    save(figure, [voltage, axis], label, path)
