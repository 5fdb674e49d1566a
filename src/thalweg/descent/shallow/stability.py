"""The largest step size at which gradient descent is stable at a state."""

from __future__ import annotations

import numpy as np

from ...curvature import tangent_kernel
from ...curvature.spectrum import lanczos
from ...data.dataset import Dataset
from ...networks.shallow import ShallowNetwork

# Up to this many samples all eigenvalues are found at once.
_DENSE = 200


def largest_stable_step(network: ShallowNetwork, data: Dataset) -> float:
    """Return 2n/lambda_max(H), H the NTK Gram matrix: twice the inverse of the fastest rate of the residuals.

    Near a fit a step of size eta multiplies the residuals by I - (eta/n) H: above this size they grow along the first
    eigenvector of H. Away from a fit it is a guide: a larger step may shrink H itself and go on, or diverge.

    Parameters
    ----------
    network : ShallowNetwork
        The state.
    data : Dataset

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.Dataset([[3.0]], [1.0]), tw.ShallowNetwork([[1.0]], [2.0])
    >>> tw.descent.largest_stable_step(network, data) == 2 / (2.0**2 * 3.0**2 + 3.0**2)
    True
    """
    kernel = tangent_kernel(network, data)
    if kernel.n <= _DENSE:
        largest = float(np.linalg.eigvalsh(kernel.matrix)[-1])
    else:
        largest = float(lanczos(kernel, 1, "LA")[0][0])
    return 2 * kernel.n / largest if largest > 0 else np.inf
