"""The cost of PLMonitor as a share of a training step.

    python benchmarks/bench_monitor.py [--quick] [--rounds 9] [--steps 20]

Two networks on inputs of the size of the digits, 8 by 8: (a) a residual MLP of 200 blocks, width 32, and (b) a small
convolutional network, 16 and 32 channels, with batches of 64 and of 128. A step is forward, backward and SGD.

Methods take turns in one process, some steps each, the order reversed at every other round. All train the same model
and all steps cost alike, so that the share of a monitor is the median over rounds of its time over that of the bare
steps next to it, less 1. `error` is half the distance of the quartiles of that ratio over the root of the rounds.
"""

import single_thread  # noqa: F401  # isort: skip  # before everything that starts threads

import argparse
import json
import math
import time
from pathlib import Path
from statistics import median, quantiles

import torch
from torch import nn
from torch.nn import functional as F

from thalweg.adapters.torch import PLMonitor, zas_

WANTED = 0.03
_WARM_UP = 100  # by default a monitor looks at all of these steps, and at every fifth from then on
MONITORS = {"as by default": {}, "mini-batches": {"minibatch": True}, "every step": {"every": 1}}


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.fc2(torch.relu(self.fc1(x)))


def residual():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), *(Block(32) for _ in range(200)), nn.Linear(32, 10))
    zas_(model, scaling="fixup")
    return model


def convolutional():
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)),
    )


CASES = {
    "residual MLP, 200 blocks, batch 64": (residual, 64),
    "residual MLP, 200 blocks, batch 128": (residual, 128),
    "convolutional, batch 64": (convolutional, 64),
    "convolutional, batch 128": (convolutional, 128),
}


class Training:
    """A model with its optimizer and a batch, on the clock."""

    def __init__(self, build, batch):
        torch.manual_seed(0)
        self.model = build()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4)
        self.x, self.y = torch.randn(batch, 1, 8, 8), torch.randint(10, (batch,))

    def seconds(self, steps, monitor=None):
        begun = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(self.x), self.y)
            loss.backward()
            if monitor is not None:
                monitor.step(loss)
            self.optimizer.step()
        return (time.perf_counter() - begun) / steps


def measure(build, batch, rounds, steps):
    """Seconds of a step of every method in every round."""
    training = Training(build, batch)
    methods = {"bare": None} | {
        name: PLMonitor(training.model, training.optimizer, **options) for name, options in MONITORS.items()
    }
    for monitor in methods.values():  # what is done once, and caches
        training.seconds(_WARM_UP, monitor)
    found = {name: [] for name in methods}
    for k in range(rounds):
        names = list(methods)
        for name in names if k % 2 else reversed(names):
            found[name].append(training.seconds(steps, methods[name]))
    return found


def main(rounds, steps, cases):
    torch.set_num_threads(1)
    record, met = {}, True
    print(f"{'network':36s} {'monitor':14s} {'ms/step':>8s} {'share':>7s} {'error':>7s}")
    for case in cases:
        found = record[case] = measure(*CASES[case], rounds, steps)
        for name, spent in found.items():
            ratios = [own / bare - 1 for own, bare in zip(spent, found["bare"], strict=True)]
            low, _, high = quantiles(ratios, n=4)
            share = "" if name == "bare" else f"{median(ratios):7.2%} {(high - low) / 2 / math.sqrt(rounds):7.2%}"
            met &= name == "every step" or median(ratios) <= WANTED
            print(f"{case:36s} {name:14s} {1e3 * median(spent):8.3f} {share}", flush=True)
    print(f"wanted at most {WANTED:.0%} of a step: {'met' if met else 'missed'}")
    out = Path("out")
    out.mkdir(exist_ok=True)
    (out / "bench_monitor.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds, one network of each kind")
    parser.add_argument("--rounds", type=int, default=31, help="turns of every method")
    parser.add_argument("--steps", type=int, default=20, help="steps in a turn")
    options = parser.parse_args()
    quick = list(CASES)[::2]
    main(*((5, 10, quick) if options.quick else (options.rounds, options.steps, list(CASES))))
