"""How a descent ended, in words that say what to do next."""

from enum import Enum


class DescentOutcome(Enum):
    """The end of a run of gradient descent. The value is the message and the advice; `str()` prints it.

    Examples
    --------
    >>> import thalweg as tw
    >>> print(tw.DescentOutcome.WALL_TIME)
    The time allowed ran out. Continue from traj.final.
    >>> tw.DescentOutcome.DIVERGED.failed
    True
    """

    STEPS_DONE = "All iterations were made. Continue with tw.descend(traj.final, ...) if you need more."
    LOSS_BELOW = "The loss fell below the level asked for."
    CERTIFIED = (
        "Certified: it is proved that gradient descent with this step size converges from here, at a known rate. "
        "tw.certify(traj.final, target, step_size=...) has the proof."
    )
    ROUNDING_FLOOR = (
        "The fit is exact: the loss reached the level of rounding in float64. "
        "Take traj.final; there is nothing further to descend to."
    )
    STATIONARY = (
        "The gradient is zero at a positive loss: gradient descent stays here for ever. "
        "Start elsewhere: from tw.init.zas, or perturbed (tw.init.perturbed(network, 0.01)), if the network is deep "
        "linear; wider, or from tw.init.dominated, if it is shallow: no active neuron corrects what is left."
    )
    DIVERGED = (
        "The iteration diverged: the step is too large. Halve step_size; where the largest is known that is proved, or "
        "stable at the start, print(traj) names it."
    )
    WALL_TIME = "The time allowed ran out. Continue from traj.final."
    PREDICATE = "The stop function asked to stop."
    INTERRUPTED = "Interrupted from the keyboard. All that was computed is kept; continue from traj.final."

    @property
    def failed(self) -> bool:
        """Whether the run could not be carried on as asked."""
        return self is DescentOutcome.DIVERGED

    def __str__(self) -> str:
        return self.value
