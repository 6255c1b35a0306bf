"""Many penalised multinomial logistic regressions on the same rows, minimised together.

Choosing a penalty means fitting the same rows dozens of times: every l2 in every inner fold. Here all those
problems are columns of one matrix of coefficients, so that an iteration is two matrix products for any number of
them, and a problem leaves the batch when it has converged. The method is limited-memory BFGS (Nocedal & Wright,
Numerical Optimization, 2006, algorithms 7.4 and 3.1). Rows come rotated to their principal axes, which makes the
bound on the Hessian of Böhning (Multinomial logistic regression algorithm, Ann. Inst. Statist. Math. 44, 1992)
diagonal: its inverse is the initial matrix of the recursion, and takes away most of the ill conditioning.

Problem p, with row weights w that sum to one, minimises
    sum_i w_i (logsumexp_k z_ik - z_iy) + l2 / 2 * |B|^2,   z = rows @ B + intercept,
with one column of B for each class (also if there are two) and an intercept that is not penalised.
"""

from dataclasses import dataclass

import numpy as np

HISTORY = 5  # pairs of steps and gradient changes; more cost more than the iterations they save
LIMIT = 1000  # iterations; a problem that has not converged by then keeps its best point
ARMIJO = 1e-4  # share of the expected decrease of the loss that a step must achieve
SHRINK = 0.3  # of a step that did not lower the loss enough
NOISE = 2e-6  # rounding of a float32 loss, by which it may seem to rise
BLOCK = 2**21  # logits in memory at once


@dataclass(frozen=True)
class Problems:
    """P problems on the same N rows.

    rows: (N, r) float32, centred and rotated; energy: (r,) their squared column norms. y: (N,) classes.
    weights: (N, S) float32 row weights of S subsets, each column summing to one. subset: (P,) the column of each
    problem. l2: (P,) penalties. tolerance: a problem is solved when half its squared Newton decrement, which estimates
    the excess of its loss, is below it.
    """

    rows: np.ndarray
    energy: np.ndarray
    y: np.ndarray
    n_classes: int
    weights: np.ndarray
    subset: np.ndarray
    l2: np.ndarray
    tolerance: float


def minimise(problems: Problems, start: np.ndarray | None = None) -> np.ndarray:
    """The minima: (r + 1, K, P) float32 coefficients, the intercept in the last row.

    start: of the same shape; by default zero coefficients, and intercepts that predict the shares of the classes.
    """
    state = _State(problems, start)
    solution = np.empty_like(state.point)
    active = np.arange(state.point.shape[2])
    for iteration in range(LIMIT):
        direction = state.direction()
        decrement = -_dot(state.gradient, direction)
        done = state.accepted & (decrement <= 2 * problems.tolerance)
        if iteration == LIMIT - 1:
            done[:] = True
        if done.any():
            solution[:, :, active[done]] = state.point[:, :, done]
            active, direction, decrement = active[~done], direction[:, :, ~done], decrement[~done]
            if not len(active):
                break
            state.keep(~done)
        state.advance(direction, decrement)
    return solution


class _State:
    """The current point of each problem that has not converged, and the last steps."""

    def __init__(self, problems: Problems, start: np.ndarray | None) -> None:
        rows, n_classes = problems.rows, problems.n_classes
        self.y, self.weights = problems.y, problems.weights
        self.rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
        self.curvature = np.append(problems.energy / len(rows), 1).astype(np.float32)[:, None, None]
        self.penalised = np.ones_like(self.curvature)
        self.penalised[-1] = 0
        self.subset = problems.subset
        self.l2 = problems.l2.astype(np.float32)
        if start is None:
            prior = np.stack([np.bincount(self.y, w, n_classes) for w in self.weights.T])
            start = np.zeros((len(self.curvature), n_classes, len(self.subset)))
            start[-1] = np.log(np.maximum(prior, 1e-12))[self.subset].T
        self.point = start.astype(np.float32)
        self.history: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.step = np.ones(len(self.subset), np.float32)
        self.accepted = np.ones(len(self.subset), bool)
        self.loss, self.gradient, self.spread = self.evaluate(self.point)
        self._direction = np.zeros_like(self.point)

    def evaluate(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Loss (P,), gradient like `point`, and the mean variance of the predicted classes (P,)."""
        width, n_classes, count = point.shape
        flat = point.reshape(width, -1)
        gradient = self.l2 * self.penalised * point
        loss = self.l2 / 2 * np.einsum("rkp,rkp->p", point[:-1], point[:-1])
        spread = np.zeros(count, np.float32)
        block = max(1, BLOCK // flat.shape[1])
        for first in range(0, len(self.rows), block):
            rows, y = self.rows[first : first + block], self.y[first : first + block]
            weights = self.weights[first : first + block][:, self.subset]
            each = np.arange(len(rows))
            odds = (rows @ flat).reshape(len(rows), n_classes, count)
            odds -= odds.max(axis=1, keepdims=True)
            true = odds[each, y]
            np.exp(odds, out=odds)
            total = odds.sum(axis=1)
            loss += (weights * (np.log(total) - true)).sum(axis=0)
            odds /= total[:, None]
            spread += (weights * (1 - np.einsum("nkp,nkp->np", odds, odds))).sum(axis=0)
            odds[each, y] -= 1
            odds *= weights[:, None]
            gradient += (rows.T @ odds.reshape(len(rows), -1)).reshape(point.shape)
        return loss, gradient, spread / n_classes

    def direction(self) -> np.ndarray:
        """The quasi-Newton direction; for a problem whose last step was refused, the last direction."""
        if not self.accepted.any():
            return self._direction
        step = -self.gradient
        factors = []
        for moved, changed, scale in reversed(self.history):
            factor = scale * _dot(moved, step)
            step -= factor * changed
            factors.append(factor)
        step /= np.maximum(self.spread, 1e-3) * self.curvature + self.l2 * self.penalised
        for (moved, changed, scale), factor in zip(self.history, reversed(factors), strict=True):
            step += (factor - scale * _dot(changed, step)) * moved
        return step if self.accepted.all() else np.where(self.accepted, step, self._direction)

    def advance(self, direction: np.ndarray, decrement: np.ndarray) -> None:
        """Try a step in each problem: move if its loss falls enough, else shorten the next step."""
        trial = self.point + self.step * direction
        loss, gradient, spread = self.evaluate(trial)
        moved = self.accepted = loss <= self.loss - ARMIJO * self.step * decrement + NOISE
        change = np.where(moved, gradient - self.gradient, 0)
        travelled = np.where(moved, self.step * direction, 0)
        product = _dot(travelled, change)
        # A scale of 0 cancels a pair without positive curvature (rounding, or a refused step).
        scale = np.where(product > 0, 1 / np.where(product > 0, product, 1), 0).astype(np.float32)
        self.history = [*self.history[1 - HISTORY :], (travelled, change, scale)]
        if moved.all():
            self.point, self.gradient, self.loss, self.spread = trial, gradient, loss, spread
        else:
            self.point = np.where(moved, trial, self.point)
            self.gradient = np.where(moved, gradient, self.gradient)
            self.loss, self.spread = np.where(moved, loss, self.loss), np.where(moved, spread, self.spread)
        self.step = np.where(moved, 1, SHRINK * self.step).astype(np.float32)
        self._direction = direction

    def keep(self, left: np.ndarray) -> None:
        """Keep the problems of the mask `left` only."""
        self.point, self.gradient = self.point[:, :, left], self.gradient[:, :, left]
        self.history = [(a[:, :, left], b[:, :, left], scale[left]) for a, b, scale in self.history]
        self.loss, self.spread, self.step = self.loss[left], self.spread[left], self.step[left]
        self.accepted, self.subset, self.l2 = self.accepted[left], self.subset[left], self.l2[left]
        self._direction = self._direction[:, :, left]


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("rkp,rkp->p", a, b)
