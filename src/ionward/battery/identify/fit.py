"""Fit of the whole cell model to all runs at once: Gauss-Newton with smoothness over SOC and temperature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.ndimage import maximum_filter1d

from ionward.battery.identify.kernel import BLOCKS, RUN, RUN_COLUMNS, normal_equations
from ionward.battery.identify.runs import Run

Array = npt.NDArray[np.float64]

TEMPERATURES_C = np.arange(-30.0, 61.0, 10.0)
CIRCUIT_SOCS = np.concatenate(([0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16], np.linspace(0.2, 1.0, 17)))
OCV_SOCS = np.concatenate((np.arange(0, 0.1, 0.005), np.arange(0.1, 0.95, 0.02), np.arange(0.96, 1.001, 0.005)))
POSITIVE = ("hysteresis", "r0", "r1", "tau1", "r2", "tau2")


@dataclass(frozen=True)
class Stiffness:
    """How strongly the fit prefers smooth tables. Standard deviations of the bend at one knot."""

    noise_v: float = 0.06  # model error of one second of data; large because neighbouring errors are alike
    soc: float = 0.06  # bend of a logarithm over SOC
    temperature: float = 0.05  # bend of a logarithm over 1/T
    absolute: float = 1.0  # distance of a logarithm from the start value
    tau: float = 0.5  # the same for time constants, which must stay apart
    hysteresis_temperature: float = 0.07  # change of its logarithm from one temperature knot to the next
    hysteresis_absolute: float = 0.35
    ocv_soc_v: float = 0.0005  # bend of the OCV over SOC where the start value has none
    ocv_temperature_v: float = 0.003  # change of the OCV from one temperature knot to the next
    ocv_knee: float = 0.006  # the same, as an error in SOC: matters in the knee
    slope_min_v: float = 0.02  # rise of the OCV over the whole SOC range below which it is pushed up,
    slope_share: float = 0.2  # or this share of the rise that the start value has there,
    slope_std_v: float = 0.003  # how hard, at one knot
    activation_min_k: float = 600.0  # resistances fall with temperature at least like exp(this / T),
    activation_std: float = 0.05  # how hard, in the logarithm


@dataclass
class Fit:
    """Fitted parameters: `values[block]` is `[temperature, soc]` or `[run]`; positive ones as themselves."""

    values: dict[str, Array]
    capacity_ah: float
    predicted_v: list[Array]
    soc: list[Array]
    cost: list[float] = field(default_factory=list)


class Layout:
    """Where each block stands in the parameter vector."""

    def __init__(self, runs: int) -> None:
        t, c, o = len(TEMPERATURES_C), len(CIRCUIT_SOCS), len(OCV_SOCS)
        shapes = dict.fromkeys(POSITIVE, (t, c)) | {"ocv": (t, o), "rate": (1,), "jump": (1,)}
        shapes |= {"offset": (runs,), "start": (runs,)}
        self.shapes: dict[str, tuple[int, ...]] = {name: shapes[name] for name in BLOCKS}
        sizes = [int(np.prod(self.shapes[name])) for name in BLOCKS]
        self.first = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
        self.size = int(np.sum(sizes))

    def index(self, name: str) -> npt.NDArray[np.int64]:
        """Indices of a block, in its shape."""
        shape = self.shapes[name]
        first = self.first[BLOCKS.index(name)]
        return np.asarray(first + np.arange(int(np.prod(shape)))).reshape(shape)


def fit_runs(
    runs: Sequence[Run],
    start: dict[str, Array],
    capacity_ah: float,
    stiffness: Stiffness,
    iterations: int = 40,
    progress: Callable[[int, float], None] | None = None,
) -> Fit:
    """Fit all parameters to all runs.

    Args:
        runs: measured data.
        start: start value of each block (positive ones as themselves).
        capacity_ah: that defines SOC.
        stiffness: strength of the priors.
        iterations: at most.
        progress: called with the iteration and its cost.
    """
    layout = Layout(len(runs))
    x = np.zeros(layout.size)
    for name, shape in layout.shapes.items():
        value = np.broadcast_to(start.get(name, np.zeros(shape)), shape)
        x[layout.index(name)] = np.log(value) if name in (*POSITIVE, "rate") else value
    prior = Prior(layout, x.copy(), runs, stiffness)
    blocks = [_block(run) for run in runs]
    damping = 1e-3
    best, jtj, jtr = _evaluate(runs, blocks, x, layout, capacity_ah, prior, stiffness)
    costs = [best]
    small = 0
    for iteration in range(iterations):
        for _ in range(6):
            matrix = jtj + damping * np.diag(np.diag(jtj))
            move = -cho_solve(cho_factor(matrix, check_finite=False), jtr, check_finite=False)
            logs = layout.first[1]
            move[logs:] = np.clip(move[logs:], -0.7, 0.7)
            trial = x + move
            trial[layout.index("jump")] = np.maximum(trial[layout.index("jump")], 0.0)
            cost, new_jtj, new_jtr = _evaluate(runs, blocks, trial, layout, capacity_ah, prior, stiffness)
            if cost < best:
                break
            damping *= 8
        else:
            break
        gain = (best - cost) / best
        x, best, jtj, jtr = trial, cost, new_jtj, new_jtr
        damping = max(damping / 5, 1e-7)
        costs.append(best)
        if progress is not None:
            progress(iteration + 1, best)
        small = small + 1 if gain < 3e-4 else 0
        if small == 2:
            break
    _evaluate(runs, blocks, x, layout, capacity_ah, prior, stiffness)
    values = {
        name: np.exp(x[layout.index(name)]) if name in (*POSITIVE, "rate") else x[layout.index(name)] for name in BLOCKS
    }
    soc = [_soc(run, values["offset"][n], values["start"][n], capacity_ah) for n, run in enumerate(runs)]
    return Fit(values, capacity_ah, [b[RUN.predicted_v].copy() for b in blocks], soc, costs)


def _soc(run: Run, offset_a: float, start: float, capacity_ah: float) -> Array:
    return run.soc + start + offset_a * run.active_s / (3600 * capacity_ah)


def _block(run: Run) -> Array:
    block = np.zeros((RUN_COLUMNS, len(run.time_s)))
    block[RUN.dt_s] = run.dt_s
    block[RUN.mean_current_a] = run.mean_current_a
    block[RUN.current_a] = run.current_a
    block[RUN.voltage_v] = run.voltage_v
    block[RUN.temperature_index], block[RUN.temperature_weight], _ = _cells(run.temperature_c, TEMPERATURES_C)
    return block


def _cells(values: Array, knots: Array) -> tuple[Array, Array, Array]:
    """Index of the knot below, weight of the one above, and the width between; ends are held."""
    held = np.clip(values, knots[0], knots[-1])
    index = np.clip(np.searchsorted(knots, held, side="right") - 1, 0, len(knots) - 2)
    width = knots[index + 1] - knots[index]
    return index.astype(float), (held - knots[index]) / width, width


def _evaluate(
    runs: Sequence[Run],
    blocks: list[Array],
    x: Array,
    layout: Layout,
    capacity_ah: float,
    prior: Prior,
    stiffness: Stiffness,
) -> tuple[float, Array, Array]:
    jtj, jtr, cost = prior.equations(x)
    offsets, starts = x[layout.index("offset")], x[layout.index("start")]
    for n, (run, block) in enumerate(zip(runs, blocks, strict=True)):
        soc = _soc(run, offsets[n], starts[n], capacity_ah)
        block[RUN.circuit_index], block[RUN.circuit_weight], _ = _cells(soc, CIRCUIT_SOCS)
        block[RUN.ocv_index], block[RUN.ocv_weight], block[RUN.ocv_width] = _cells(soc, OCV_SOCS)
        block[RUN.soc_per_offset] = run.active_s / (3600 * capacity_ah)
        inside = (soc > -0.003) & (soc < 1.01)
        block[RUN.weight] = np.where(inside, run.weight, 0.0) / stiffness.noise_v**2
        cost += normal_equations(
            block,
            x,
            layout.first,
            len(CIRCUIT_SOCS),
            len(OCV_SOCS),
            capacity_ah,
            run.hysteresis_start,
            n,
            jtj,
            jtr,
        )
    return cost, jtj, jtr


Rise = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Array, float]


def _ocv_rises(index: npt.NDArray[np.int64], start: Array, s: Stiffness) -> Rise:
    """Steps of the OCV from knot to knot, each with its least rise."""
    low, high = index[:, :-1].ravel(), index[:, 1:].ravel()
    floor = np.tile(s.slope_min_v * np.diff(OCV_SOCS), index.shape[0])
    return low, high, np.maximum(floor, s.slope_share * (start[high] - start[low])), s.slope_std_v


def _resistance_rises(index: npt.NDArray[np.int64], s: Stiffness) -> Rise:
    """Steps of a resistance's logarithm from a warmer knot to the colder one."""
    least = s.activation_min_k * -np.diff(1 / (TEMPERATURES_C + 273.15))
    return index[1:].ravel(), index[:-1].ravel(), np.repeat(least, index.shape[1]), s.activation_std


class Prior:
    """What is believed before the data: tables are smooth, and near their start values where nothing was
    measured.

    Every belief is one linear row: (row @ x - target) / std.
    """

    def __init__(self, layout: Layout, start: Array, runs: Sequence[Run], stiffness: Stiffness) -> None:
        self.rows: list[tuple[npt.NDArray[np.int64], Array, float]] = []
        s = stiffness
        self.rises = [_ocv_rises(layout.index("ocv"), start, s)]
        self.rises += [_resistance_rises(layout.index(name), s) for name in ("r0", "r1", "r2")]
        inverse = 1 / (TEMPERATURES_C + 273.15)
        for name in POSITIVE:
            index = layout.index(name)
            tau = name.startswith("tau")
            for j in range(index.shape[0]):
                self._bends(index[j], CIRCUIT_SOCS, s.soc * 0.5 if tau or name == "hysteresis" else s.soc)
            for m in range(index.shape[1]):
                column = index[:, m]
                if name == "hysteresis":
                    self._changes(column, s.hysteresis_temperature)
                else:
                    self._bends(column, inverse, s.temperature)
            std = s.tau if tau else s.hysteresis_absolute if name == "hysteresis" else s.absolute
            for i in index.ravel():
                self._is(i, start[i], std)
        self._ocv(layout.index("ocv"), start, s)
        rate, jump = layout.index("rate")[0], layout.index("jump")[0]
        self._is(rate, start[rate], 1.0)
        self._is(jump, start[jump], 0.003)
        for n, run in enumerate(runs):
            self._is(layout.index("offset")[n], 0.0, run.offset_std_a)
            self._is(layout.index("start")[n], 0.0, run.start_std)
        self.matrix = np.zeros((layout.size, layout.size))
        self.vector = np.zeros(layout.size)
        self.constant = 0.0
        for index, weights, target in self.rows:
            self.matrix[np.ix_(index, index)] += np.outer(weights, weights)
            self.vector[index] += weights * target
            self.constant += target * target

    def _is(self, index: int | np.int64, target: float, std: float) -> None:
        self.rows.append((np.array([index]), np.array([1 / std]), target / std))

    def _bends(self, index: npt.NDArray[np.int64], at: Array, std: float, targets: Array | None = None) -> None:
        for k in range(1, len(index) - 1):
            w = (at[k] - at[k - 1]) / (at[k + 1] - at[k - 1])
            weights = np.array([-(1 - w), 1.0, -w]) / std
            self.rows.append((index[k - 1 : k + 2], weights, 0.0 if targets is None else targets[k] / std))

    def _changes(self, index: npt.NDArray[np.int64], std: float | Array) -> None:
        for k in range(len(index) - 1):
            one = std if isinstance(std, float) else std[k]
            self.rows.append((index[k : k + 2], np.array([-1.0, 1.0]) / one, 0.0))

    def _ocv(self, index: npt.NDArray[np.int64], start: Array, s: Stiffness) -> None:
        for j in range(index.shape[0]):
            curve = start[index[j]]
            slope = np.abs(np.gradient(curve, OCV_SOCS))
            share = (OCV_SOCS[1:-1] - OCV_SOCS[:-2]) / (OCV_SOCS[2:] - OCV_SOCS[:-2])
            bends = curve[1:-1] - (1 - share) * curve[:-2] - share * curve[2:]
            free = s.ocv_soc_v + 0.25 * maximum_filter1d(np.abs(bends), 5)
            for k, (w, bend, std) in enumerate(zip(share, bends, free, strict=True)):
                weights = np.array([-(1 - w), 1.0, -w]) / std
                self.rows.append((index[j, k : k + 3], weights, bend / std))
            if j + 1 < index.shape[0]:
                allowed = s.ocv_temperature_v + s.ocv_knee * slope
                for k in range(len(curve)):
                    pair = np.array([index[j, k], index[j + 1, k]])
                    self.rows.append((pair, np.array([-1.0, 1.0]) / allowed[k], 0.0))

    def equations(self, x: Array) -> tuple[Array, Array, float]:
        """Normal matrix, gradient and half the cost of all beliefs at `x`."""
        product = self.matrix @ x
        cost = 0.5 * float(x @ product - 2 * self.vector @ x + self.constant)
        matrix, gradient = self.matrix.copy(), product - self.vector
        for low, high, least, std in self.rises:
            # Where a step falls short of the least rise, it is pushed up (only while it does).
            short = np.minimum((x[high] - x[low] - least) / std, 0.0)
            on = short < 0
            np.add.at(gradient, high[on], short[on] / std)
            np.add.at(gradient, low[on], -short[on] / std)
            for i, j in ((low, low), (high, high)):
                np.add.at(matrix, (i[on], j[on]), 1 / std**2)
            for i, j in ((low, high), (high, low)):
                np.add.at(matrix, (i[on], j[on]), -1 / std**2)
            cost += 0.5 * float(short @ short)
        return matrix, gradient, cost
