"""Methods for studies of studies: trials that cost nothing, sleep, raise or die."""

import math
import os
import signal
import time
from pathlib import Path

import numpy as np

SPEC = """
[study]
name = "fake"
method = "fake_trials:{method}"
[grid]
n = [{sizes}]
d = 3
p = 2
[trials]
repetitions = {repetitions}
seed = 7
[success]
loss_below = 1.0
"""


def spec(method="coin", sizes="60, 90, 120", repetitions=40):
    """Return the specification of a study by one of these methods."""
    return SPEC.format(method=method, sizes=sizes, repetitions=repetitions)


def coin(cell, seed, trial):
    """Succeed with a probability that falls through 1/2 at n = 100."""
    rng = np.random.default_rng(cell.seeds(seed, trial)[0])
    success = rng.random() < 1 / (1 + (cell.n / 100) ** 8)
    return {"success": success, "outcome": "HEADS" if success else "TAILS", "steps_made": trial, "loss": rng.random()}


def slow_coin(cell, seed, trial):
    """Take a few milliseconds."""
    time.sleep(0.004)
    return coin(cell, seed, trial)


def instant(cell, seed, trial):
    """Cost next to nothing."""
    return {"success": trial % 3 == 0, "outcome": "DONE", "loss": trial / (cell.n + 1), "t": math.pi}


def cut_short(cell, seed, trial):
    """Return from one trial as a run does that caught Ctrl-C."""
    cut = cell.n == 90 and trial == 2
    return coin(cell, seed, trial) | ({"outcome": "INTERRUPTED"} if cut else {})


def failing(cell, seed, trial):
    """Raise at one trial of one cell."""
    if cell.n == 90 and trial == 5:
        raise ArithmeticError("no such\nresult")
    return coin(cell, seed, trial)


def dying(cell, seed, trial):
    """Kill the process at one trial of one cell, always, or as long as the environment names a file to be made."""
    if cell.n == 90 and trial == 5:
        once = os.environ.get("FAKE_TRIALS_ONCE")
        if once is None or not Path(once).exists():
            if once is not None:
                Path(once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return coin(cell, seed, trial)
