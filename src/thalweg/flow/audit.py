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
        Largest relative increase of the loss over an accepted step, beyond its rounding. Must be 0.
    local_error : float
        Estimated relative error of a step in the residuals, root mean square over the steps.
    tangential_distance : float
        Smallest distance to a tangential hit: the least relative change of a preactivation, z/(|w||x|), that
        would have turned a crossing of a concave kink into a turn before it, or the reverse. The flow map jumps
        there, so a perturbation of this size may take another branch. Infinite if there was none.
    output_weight_error : float
        Largest difference between a_j from the invariant and a_j integrated on its own, relative.
    nonunique_pairs : int
        Pairs held at their kink that another solution of the flow would have let go (orthogonal inputs only,
        where the one that stays is selected).

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(6, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> audit = tw.flow(network, data, t_end=5.0).audit
    >>> audit.invariant_drift < 1e-12, audit.energy_error < 1e-2, audit.largest_loss_increase
    (True, True, 0.0)
    >>> print(audit)
    invariant drift      ...     ok: a^2 - |w|^2 is conserved
    energy identity      ...     ok: curvature integrates to log loss
    loss increase        0.0e+00 ok: over any step, must be 0
    ...
    """

    invariant_drift: float
    energy_error: float
    largest_loss_increase: float
    local_error: float
    tangential_distance: float
    output_weight_error: float
    nonunique_pairs: int = 0

    def __str__(self) -> str:
        from ..report.summary import checks

        return "\n".join(f"{fact.label:<20} {fact.value:<7} {fact.meaning}" for fact in checks(self))
