"""How a run ended, in words that say what to do next."""

from enum import Enum


class Outcome(Enum):
    """The end of a run. The value is the message and the advice; `str()` prints it.

    Examples
    --------
    >>> import thalweg as tw
    >>> print(tw.Outcome.LOSS_BELOW)
    The loss fell below the level asked for.
    >>> tw.Outcome.STEP_TOO_SMALL.failed
    True
    """

    REACHED_END = "The flow reached t_end. Flow on from traj.final if you need more."
    LOSS_BELOW = "The loss fell below the level asked for."
    STATIONARY = (
        "The flow has come to rest at a positive loss: a stationary point that is not a fit. "
        "If the network is shallow, look at traj.residuals[-1]: samples no neuron can correct stay, and a wider or "
        "dominated start covers them. If it is deep linear, start from tw.init.zas, or perturbed "
        "(tw.init.perturbed(network, 0.01))."
    )
    CERTIFIED = (
        "Certified: it is proved that the loss tends to 0 from here, at a known rate. "
        "tw.certify(traj.final, data) has the proof."
    )
    CERTIFIED_STUCK = (
        "Certified to be stuck: it is proved that the loss stays above a positive level. "
        "tw.certify(traj.final, data) names the samples and the level; a wider or dominated start covers them."
    )
    ROUNDING_FLOOR = (
        "The fit is exact: the loss reached the level of rounding in float64. "
        "Take traj.final; there is nothing further to flow to."
    )
    WALL_TIME = "The time allowed ran out. Continue from traj.final, or loosen rtol."
    PREDICATE = "The stop function asked to stop."
    INTERRUPTED = "Interrupted from the keyboard. All that was computed is kept; continue from traj.final."
    STEP_TOO_SMALL = (
        "The step size fell below what float64 resolves: events accumulate at this time, or the data are "
        "degenerate (dependent inputs at a kink, a neuron at w = 0). The trajectory is valid up to its last time. "
        "Perturb the start slightly, or see traj.conditioning()."
    )

    @property
    def failed(self) -> bool:
        """Whether the run could not be carried on as asked."""
        return self is Outcome.STEP_TOO_SMALL

    def __str__(self) -> str:
        return self.value
