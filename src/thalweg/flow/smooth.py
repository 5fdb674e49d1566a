"""The flow of shallow networks with smooth activations, by SciPy's steppers."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from .. import _validate as check
from .._errors import InputError
from .._outcome import Outcome
from .._typing import FloatArray
from ..data.dataset import Dataset
from ..networks.smooth import SmoothNetwork
from .interrupt import DeferredInterrupt
from .loss_trajectory import LossAudit, LossTrajectory
from .progress import Progress
from .stops import RunningState, as_stop

# Steps kept where no output times are asked for; beyond twice as many, every other one is dropped.
_MOST_OUTPUTS = 512


def flow_smooth(
    network: SmoothNetwork,
    data: Dataset,
    *,
    t_end: float,
    times: ArrayLike | None = None,
    rtol: float = 1e-6,
    stop: object = None,
    progress: bool | None = None,
) -> LossTrajectory:
    """Compute the gradient flow d theta/dt = -p grad L of a shallow network with a smooth activation.

    Hidden weights are followed in the span of the inputs, outside of which they do not move. The stepper is SciPy's
    DOP853. Where the activation is homogeneous of degree k, the audit says by how much k a_j^2 - |w_j|^2 drifted, which
    the flow conserves.

    Parameters
    ----------
    network : SmoothNetwork
        The start.
    data : Dataset
    t_end, times, rtol, stop, progress
        As for `tw.flow`; `stop` is judged at every step.

    Raises
    ------
    InputError
        For a network that does not fit the data, parameters out of range, or a start whose loss overflows.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, start = tw.data.sphere(10, 50, seed=1), tw.init.dominated(50, 8, seed=2)
    >>> traj = tw.flow(tw.SmoothNetwork.of(start, "monomial", degree=2), data, t_end=20.0)
    >>> bool(traj.loss[-1] < 1e-3 * traj.loss[0]), traj.audit.balance_drift < 1e-4
    (True, True)
    """
    from scipy.integrate import DOP853

    model, wanted = _checked(network, data, t_end, times, rtol)
    condition, begun, end = as_stop(stop).begin(None), time.monotonic(), float(t_end)
    scale = np.sqrt(np.mean(model.start[:-1] ** 2)) or 1.0
    solver = DOP853(model.velocity, 0.0, model.start, end, rtol=float(rtol), atol=1e-3 * float(rtol) * scale)
    rows = [model.row(0.0, model.start)] if wanted is None or (wanted.size and wanted[0] == 0.0) else []
    wanted = None if wanted is None else wanted[wanted > 0.0]
    outcome, stride, since, steps = None, 1, 0, 0
    with DeferredInterrupt() as interrupt, Progress(progress, end) as bar, np.errstate(over="ignore", invalid="ignore"):
        while outcome is None and solver.status == "running":
            solver.step()
            if solver.status == "failed" or not np.isfinite(solver.y).all():
                outcome = Outcome.STEP_TOO_SMALL
                break
            steps += 1
            now = model.row(solver.t, solver.y)
            if wanted is None:
                since += 1
                if since >= stride or solver.status == "finished":
                    rows.append(now)
                    since = 0
                if len(rows) >= 2 * _MOST_OUTPUTS:
                    rows, stride = rows[::2], 2 * stride
            elif (passed := wanted[wanted <= solver.t]).size:
                dense = solver.dense_output()  # not for nothing: it evaluates the velocity
                rows += [model.row(float(t), np.asarray(dense(t))) for t in passed]
                wanted = wanted[passed.size :]
            y = solver.y.copy()
            running = RunningState(
                solver.t,
                now[1],
                now[2],
                model.residuals(y),
                0,
                time.monotonic() - begun,
                lambda y=y: model.network(y),  # type: ignore[arg-type, misc]
            )
            bar.show(running)
            outcome = Outcome.INTERRUPTED if interrupt.asked else condition(running)
            outcome = outcome or (Outcome.STATIONARY if now[2] == 0.0 else None)
    if (outcome is not None or wanted is None) and (not rows or rows[-1][0] < solver.t):
        rows.append(model.row(solver.t, solver.y))
    t, loss, curvature, energy, drift = (np.array(column) for column in zip(*rows, strict=True))
    first = model.row(0.0, model.start)[1]
    balance_drift = None if network.degree is None else float(drift.max())
    audit = LossAudit.of(first, loss, energy, balance_drift=balance_drift)
    settings = {"t_end": end, "rtol": float(rtol), "floor": 0.0, "solver": "DOP853", "steps": steps}
    return LossTrajectory(
        *(t, loss, curvature, energy),
        start=network,
        final=model.network(solver.y),
        outcome=outcome or Outcome.REACHED_END,
        audit=audit,
        settings=settings,
    )


class _Model:
    """The flow in coordinates: hidden weights in the span of the inputs, output weights, and the energy."""

    def __init__(self, network: SmoothNetwork, data: Dataset) -> None:
        X = data.X.toarray() if data.is_sparse else data.X
        self._network, self._y, self._n, self._p = network, data.y, data.n, network.p
        if data.d > data.n:
            self._basis: FloatArray | None = np.linalg.qr(X.T)[0]  # (d, n)
            self._X, W = X @ self._basis, network.W @ self._basis
        else:
            self._basis, self._X, W = None, X, network.W
        self._shape = W.shape
        self._outside = network.W - W @ self._basis.T if self._basis is not None else None
        self.start = np.concatenate([W.ravel(), network.a, [0.0]])
        self._balance = self._balances(self.start)
        self._size = np.maximum(network.a**2 + np.einsum("jk,jk->j", network.W, network.W), 1e-300)

    def _parts(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        cut = self._shape[0] * self._shape[1]
        return y[:cut].reshape(self._shape), y[cut:-1]

    def residuals(self, y: FloatArray) -> FloatArray:
        """Return r, an array (n,)."""
        W, a = self._parts(y)
        return self._y - a @ self._network.activate(W @ self._X.T)[0] / self._p

    def velocity(self, t: float, y: FloatArray) -> FloatArray:
        """Return dy/dt."""
        return self._moves(y)[1]

    def _moves(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return r and dy/dt."""
        W, a = self._parts(y)
        s, slope = self._network.activate(W @ self._X.T)
        r = self._y - a @ s / self._p
        dW, da = (a[:, None] * slope * r) @ self._X / self._n, s @ r / self._n
        return r, np.concatenate([dW.ravel(), da, [(np.sum(dW * dW) + da @ da) / self._p]])

    def row(self, t: float, y: FloatArray) -> tuple[float, float, float, float, float]:
        """Return time, loss, curvature, energy, and drift of the balance."""
        r, velocity = self._moves(y)
        power = float(velocity[-1])
        loss = float(r @ r) / (2 * self._n)
        drift = float(np.max(np.abs(self._balances(y) - self._balance) / self._size))
        return t, loss, power / loss if loss > 0 else 0.0, float(y[-1]), drift

    def _balances(self, y: FloatArray) -> FloatArray:
        """What an activation of degree k conserves, k a_j^2 - |w_j|^2, less what is outside of the span."""
        W, a = self._parts(y)
        return (self._network.degree or 1) * a * a - np.einsum("jk,jk->j", W, W)

    def network(self, y: FloatArray) -> SmoothNetwork:
        """Return the network of a state."""
        W, a = self._parts(y)
        if self._basis is not None and self._outside is not None:
            W = W @ self._basis.T + self._outside
        return replace(self._network, W=W.copy(), a=a.copy())


def _checked(
    network: SmoothNetwork, data: object, t_end: object, times: ArrayLike | None, rtol: object
) -> tuple[_Model, FloatArray | None]:
    if not isinstance(data, Dataset):
        raise check.fail("flow", "data", "be a Dataset (tw.Dataset(X, y))", type(data).__name__)
    if network.d != data.d:
        raise check.fail("flow", "network", f"have {data.d} inputs, as the data have", f"d = {network.d}")
    end = check.real("flow", "t_end", t_end, above=0.0)
    check.real("flow", "rtol", rtol, at_least=1e-12, at_most=1e-2)
    with np.errstate(over="ignore", invalid="ignore"):
        model = _Model(network, data)
        if not np.isfinite([*model.row(0.0, model.start), *model.velocity(0.0, model.start)]).all():
            raise InputError("The loss of the start, or its gradient, overflows: rescale inputs, labels or network.")
    return model, check.output_times("flow", times, end)
