"""Every course of small sites of peers, as far as bounds allow: `make explore`, or `python scripts/explore_peers.py`.

Drives the shipped transition function of `ionward.peers`; what a small world is, and what it leaves out, is written in
`ionward/proving/peers/explore.py`. Ends with 1 and the shortest course found when an invariant does not hold.
"""

from __future__ import annotations

import argparse
import time

from ionward.proving.peers.explore import explore

# Units, events, periods to look at, periods before the first event (0: from the start; 40: all are connected).
WORLDS = ((3, 1, 40, 0), (3, 2, 14, 0), (3, 2, 14, 12), (3, 2, 14, 40), (4, 1, 30, 0), (4, 1, 30, 40))


def main() -> int:
    """Explore one world, or all of the list."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, text in (("units", "units of the site"), ("events", "events in a course"), ("periods", "of a course"),
                       ("settle", "periods before the first event")):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, help=text)
    chosen = parser.parse_args()
    asked = (chosen.units, chosen.events, chosen.periods, chosen.settle or 0)
    if None in asked and any(value is not None for value in asked[:3]):
        parser.error("--units, --events and --periods belong together")
    for units, events, periods, settle in (asked,) if chosen.units else WORLDS:
        began = time.perf_counter()
        found = explore(units, events, periods, settle=settle)
        print(f"{units} units, {events} events in {periods} periods after {settle}: {found.states:,} states, "
              f"{found.steps:,} steps, {time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip
        if found.violation is not None:
            print(f"violated: {found.violation.what}, after")
            for period, event in enumerate(found.violation.course):
                if event is not None:
                    print(f"  period {settle + period}: {event}")
            return 1
    print("every invariant holds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
