"""The rate of the end of a flow on orthogonal inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _validate as check
from .tangent import TangentKernel, require_kernel


@dataclass(frozen=True)
class AsymptoticRate:
    """The rate at which the loss decays in the end, judged from a state; see `asymptotic_rate`.

    Attributes
    ----------
    rate : float
        (2/n) min_i H_ii.
    sample : int
        The sample where the minimum is attained: the last to be fitted.
    neurons : int
        How many neurons are active on it.
    measured : float
        Local PL curvature at this state.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data = tw.Dataset(np.eye(2), [3.0, -4.0])
    >>> network = tw.ShallowNetwork([[3.0, -1.0], [-1.0, 4.0]], [3.5, -4.5])
    >>> print(tw.curvature.asymptotic_rate(tw.curvature.tangent_kernel(network, data)))
    asymptotic rate 10.62 = (2/n) min H_ii, a heuristic; curvature here 16.86
      set by sample 0, on which 1 neuron is active
    """

    rate: float
    sample: int
    neurons: int
    measured: float

    def __str__(self) -> str:
        active = "1 neuron is" if self.neurons == 1 else f"{self.neurons} neurons are"
        return (
            f"asymptotic rate {self.rate:.4g} = (2/n) min H_ii, a heuristic; curvature here {self.measured:.4g}\n"
            f"  set by sample {self.sample}, on which {active} active"
        )


def asymptotic_rate(kernel: TangentKernel) -> AsymptoticRate:
    """Estimate the final curvature on orthogonal inputs by (2/n) min_i H_ii, at a state near the end of a flow.

    For orthogonal inputs H is nearly diagonal, and in the end the residual of the slowest sample is all that is left.
    This is a heuristic for generic residuals and no theorem: it was within 10 % of the curvature at n = 100 and 5 % at
    n = 1000. It is never below (2/n) lambda_min(H). At a state on the way, mu may be far from it.

    Parameters
    ----------
    kernel : TangentKernel
        Of orthogonal inputs. For others the off-diagonal of H is not small; see `extreme_eigenvalues`.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.orthogonal(100, seed=1), tw.init.dominated(100, 40, scale=0.01, seed=2)
    >>> traj = tw.flow(network, data, t_end=1e4, stop=tw.LossBelow(1e-9))
    >>> found = tw.curvature.asymptotic_rate(tw.curvature.tangent_kernel_at(traj))
    >>> bool(abs(found.rate / traj.curvature[-1] - 1) < 0.1)
    True
    """
    require_kernel("asymptotic_rate", kernel)
    if not kernel.data.is_orthogonal:
        must = "have orthogonal inputs (for others take extreme_eigenvalues)"
        raise check.fail("asymptotic_rate", "kernel", must, f"a max |cos| of {kernel.data.coherence.max_cosine:.3g}")
    sample = int(np.argmin(kernel.diagonal))
    return AsymptoticRate(
        2.0 / kernel.n * float(kernel.diagonal[sample]),
        sample,
        int((kernel.modes[:, sample] == 1).sum()),
        kernel.curvature,
    )
