"""Make the built-in drive profile: half an hour of town, country road and motorway with a mid-size electric car.

Battery power follows from the forces on the car (inertia, air, rolling); the driver is a list of speeds to reach and
hold. Run it from the repository: `python scripts/make_drive_profile.py`.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

MASS_KG = 1850.0
AIR_AREA_M2 = 0.26 * 2.3  # drag coefficient times frontal area
ROLLING = 0.010
AIR_KG_PER_M3 = 1.2
GRAVITY = 9.81
DRIVE_EFFICIENCY = 0.88
REGENERATION = 0.65  # of the braking power reaches the battery …
REGENERATION_MAX_W = 50e3  # … and no more than this
AUXILIARY_W = 700.0
PACK_WH = 47_600.0  # 96s46p of 3 Ah cells
STEP_S = 1.0

# Speed to reach in km/h, acceleration in m/s², seconds to hold it.
TOWN = [(32, 1.2, 14), (0, 1.3, 12), (50, 1.5, 25), (38, 0.8, 10), (52, 1.0, 18), (0, 1.5, 20), (48, 1.6, 30),
        (30, 0.9, 12), (0, 1.2, 8), (51, 1.4, 34), (0, 1.6, 24), (45, 1.2, 22), (20, 1.0, 9), (50, 1.3, 28),
        (0, 1.4, 15)]  # fmt: skip
COUNTRY = [(50, 1.4, 18), (80, 1.0, 40), (98, 0.7, 75), (70, 0.9, 22), (100, 1.1, 90), (62, 0.8, 18), (90, 1.2, 60),
           (50, 1.0, 20)]  # fmt: skip
MOTORWAY = [(80, 1.4, 10), (122, 0.9, 120), (105, 0.6, 35), (130, 1.0, 140), (112, 0.5, 50), (124, 0.7, 110),
            (80, 0.9, 25), (118, 1.0, 80), (60, 1.1, 18)]  # fmt: skip


def speeds(legs: list[tuple[float, float, float]]) -> list[float]:
    """Speed in m/s at each step, from standstill to standstill."""
    speed, out = 0.0, [0.0]
    for target_kmh, acceleration, hold_s in [*legs, (0.0, 1.2, 10.0)]:
        target = target_kmh / 3.6
        while abs(target - speed) > 1e-9:
            change = max(-acceleration * STEP_S, min(acceleration * STEP_S, target - speed))
            speed += change
            out.append(speed)
        out += [speed] * int(hold_s / STEP_S)
    return out


def battery_power_w(before: float, after: float) -> float:
    """Power into the battery (negative: driving) while the speed goes from `before` to `after`."""
    speed = (before + after) / 2
    force = MASS_KG * (after - before) / STEP_S + 0.5 * AIR_KG_PER_M3 * AIR_AREA_M2 * speed**2
    force += ROLLING * MASS_KG * GRAVITY * math.copysign(1.0, speed) if speed > 0 else 0.0
    wheel_w = force * speed
    if wheel_w >= 0:
        return -(wheel_w / DRIVE_EFFICIENCY + AUXILIARY_W)
    return min(-wheel_w * REGENERATION, REGENERATION_MAX_W) - AUXILIARY_W


def main() -> None:
    track = speeds([*TOWN, *COUNTRY, *MOTORWAY, *TOWN[::-1]])
    lines = ["time_s,current_c"]
    for k, (before, after) in enumerate(itertools.pairwise(track)):
        lines.append(f"{k * STEP_S:.0f},{battery_power_w(before, after) / PACK_WH:.4f}")
    folder = Path(__file__).parents[1] / "src" / "ionward" / "proving" / "profiles"
    (folder / "mixed-drive.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    distance_km = sum(track) * STEP_S / 1000
    print(f"{len(lines) - 1} rows, {distance_km:.1f} km")


if __name__ == "__main__":
    main()
