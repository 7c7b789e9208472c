"""Cell tables for compiled code: one uniform grid over temperature and SOC for every cell model.

A table is a float64 array `[temperature, soc, parameter]`. The uniform grid makes a look-up two
multiplications and four neighbouring loads, the same for every cell, so that it needs no search and the
signature of the compiled code does not depend on the cell.
"""

from __future__ import annotations

from ionward._compile import njit

TEMPERATURE_MIN_C = -30.0
TEMPERATURE_STEP_K = 5.0
TEMPERATURES = 19  # -30 .. 60 degC
SOCS = 201  # 0 .. 1 in steps of 0.5 %

# Index of each parameter on the last axis.
OCV_V = 0  # mean of charge and discharge branch
HYSTERESIS_V = 1  # half the distance between the branches
R0_OHM = 2
R1_OHM = 3
TAU1_S = 4
R2_OHM = 5
TAU2_S = 6
MODEL_STD_V = 7  # standard deviation of measured minus modelled voltage where the model was fitted
PARAMETERS = 8


@njit
def temperature_cell(temperature_c: float) -> tuple[int, float]:
    """Index of the lower temperature row and the weight 0..1 of the next one; ends are held."""
    x = (temperature_c - TEMPERATURE_MIN_C) / TEMPERATURE_STEP_K
    x = min(max(x, 0.0), TEMPERATURES - 1.000001)
    i = int(x)
    return i, x - i


@njit
def soc_cell(soc: float) -> tuple[int, float]:
    """Index of the lower SOC column and the weight 0..1 of the next one; ends are held."""
    x = min(max(soc * (SOCS - 1), 0.0), SOCS - 1.000001)
    i = int(x)
    return i, x - i
