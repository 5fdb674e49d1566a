"""Independent checks of a finished flow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Audit:
    """What a run can be checked against.

    Attributes
    ----------
    invariant_drift : float
        Largest change of a_j^2 - |w_j|^2 over neurons, relative to a_j^2 + |w_j|^2.
    energy_error : float
        |integral of mu dt - log(L(0)/L(T))| / log(L(0)/L(T)): the curvature, read off the state, against
        the loss.
    largest_loss_increase : float
        Largest relative increase of the loss over an accepted step. Must be 0.
    local_error : float
        Root mean square over steps of the estimated relative error in the residuals.
    tangential_distance : float
        Smallest |normal velocity| of a crossing at a concave kink, relative to that neuron's typical
        speed: the flow map jumps where it is 0 (infinite if there was no such crossing).
    output_weight_error : float
        Largest difference between a_j from the invariant and a_j integrated on its own, relative.
    """

    invariant_drift: float
    energy_error: float
    largest_loss_increase: float
    local_error: float
    tangential_distance: float
    output_weight_error: float
