"""The folder that the run of a site leaves: plots, a summary and traces."""

from __future__ import annotations

import json
from pathlib import Path

from ionward.battery.site import Site
from ionward.errors import UserError
from ionward.proving.site import plots
from ionward.proving.site.simulation import SiteResult

PLOTS = (("site.png", plots.currents), ("course.png", plots.course))


def write_site_report(folder: Path, site: Site, result: SiteResult) -> None:
    """Write plots, `summary.json` and `traces.parquet`.

    Raises:
        UserError: the folder cannot be made or written.
    """
    traces = result.traces
    if traces is None or len(traces) == 0:
        raise UserError("the run kept no traces: nothing to draw")
    summary = result.as_json() | {
        "site": site.site.name,
        "scenario": result.name,
        "seed": result.seed,
        "facts": result.facts,
        "expectations": [{"text": v.text, "met": v.met, "found": v.found} for v in result.verdicts],
        "story": [{"time_s": at_s, "unit": who, "text": words} for at_s, who, words in result.story],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in PLOTS:
            draw(folder / name, site, result, traces)
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        traces.write(folder / "traces.parquet")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; choose another folder with --out") from None
