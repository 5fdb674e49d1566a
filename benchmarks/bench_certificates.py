"""Certificates: never a false one, where they fire, and what they cost.

    python benchmarks/bench_certificates.py sweep [RUNS]     small random runs, every certificate flowed on and checked
    python benchmarks/bench_certificates.py fire             the loss at which each test fires, on six settings

The sweep draws problems with n up to 14 samples, near and beyond what the network can fit, ReLU and leaky, dominated
and not, with sliding; certifies states along each run; flows on from every certified state and compares
(`thalweg.testing.check_certificate`): the loss with the guaranteed bound, the weights with the radius, the limit of
stuck runs to 1e-9.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter

import numpy as np

import thalweg as tw
from thalweg.testing import check_certificate

SETTINGS = [(30, 1000, 30), (60, 2000, 30), (100, 100, 30), (200, 100, 40), (300, 30, 100), (20, 5000, 30)]


def draw(seed: int) -> tuple[tw.ShallowNetwork, tw.Dataset]:
    """Draw a small problem of one of several kinds."""
    rng = np.random.default_rng([20261122, seed])
    kind = seed % 6
    n, d, p = int(rng.integers(1, 15)), int(rng.integers(1, 13)), int(rng.integers(1, 13))
    if kind == 0:  # high dimension
        d = int(rng.integers(5, 61)) + n
    if kind == 1:  # few neurons: samples die
        p, d = int(rng.integers(1, 5)), int(rng.integers(2, 30))
    X = rng.normal(size=(n, d))
    if kind == 2:  # correlated
        X += rng.normal(size=d)
    if kind == 3:  # nearly parallel pairs
        X[1::2] = X[: 2 * (n // 2) : 2] + 10.0 ** rng.uniform(-4, 0) * X[1::2]
    y = rng.choice([-1.0, 1.0], n) * rng.uniform(0.3, 2.0, n)
    if kind == 4:  # near-realizable labels, from a network of nearly this size
        teacher = tw.ShallowNetwork(rng.normal(size=(p, d)), rng.normal(size=p))
        y = teacher.predict(X) + 10.0 ** rng.uniform(-4, -1) * rng.normal(size=n)
    if rng.random() < 0.15:
        y[rng.integers(n)] = 0.0
    W = rng.normal(size=(p, d)) * 10.0 ** rng.uniform(-1.5, 0.3) / np.sqrt(d)
    size = np.linalg.norm(W, axis=1)
    a = size * rng.choice([-1, 1], p)
    dominated = rng.random() < 0.6
    a += np.sign(a) * rng.exponential(1.0, p) * (rng.random() < 0.8) if dominated else a * rng.uniform(-0.9, 0.5, p)
    leaky = rng.random() < 0.25
    activation = {"activation": "leaky_relu", "slope": float(rng.choice([0.01, 0.1, 0.5]))} if leaky else {}
    # Balanced neurons carry their invariant as exact data.
    invariant = {"invariant": np.zeros(p)} if (np.abs(a) == size).all() else {}
    return tw.ShallowNetwork(W, a, **activation, **invariant), tw.Dataset(X, y)


def states(network: tw.ShallowNetwork, data: tw.Dataset) -> list[tw.ShallowNetwork]:
    """Return the start and states along its flow."""
    times = np.concatenate([[0.0], np.geomspace(0.05, 300.0, 11)])
    traj = tw.flow(network, data, t_end=300.0, times=times, rtol=1e-6, progress=False, stop=tw.WallTime(20.0))
    return [traj.networks[k] for k in range(len(traj.t))]


def sweep(runs: int) -> None:
    """Certify along many random runs and check every certificate."""
    counted: Counter[str] = Counter()
    false = 0
    for seed in range(runs):
        network, data = draw(seed)
        done: set[str] = set()
        try:
            path = states(network, data)
        except tw.InputError:
            counted["contradicting labels"] += 1
            continue
        outcome = "undecided at the end"
        for k, state in enumerate(path):
            certificate = tw.certify(state, data)
            # The first certificate of each kind is the boldest one; the last state is checked as well.
            if certificate.decided and (certificate.test not in done or k == len(path) - 1):
                done.add(certificate.test)
                counted[f"certificates {certificate.test}"] += 1
                try:
                    check_certificate(certificate, seconds=20.0)
                except AssertionError as error:
                    false += 1
                    print(f"FALSE: seed {seed}, state {k}: {error}", flush=True)
            if certificate.decided:
                outcome = f"run {certificate.verdict}"
        counted[outcome] += 1
        if (seed + 1) % 100 == 0:
            certificates = sum(count for name, count in counted.items() if name.startswith("certificates"))
            print(f"{seed + 1} runs, {certificates} certificates, {false} violations", flush=True)
    for name, count in sorted(counted.items()):
        print(f"{name:24} {count}")
    print(f"{runs} runs, {false} violations")


def fire(seeds: int = 3) -> None:
    """Print the median loss at which each test fires first along a run, the time it takes, and the cost of a call."""
    from thalweg.certify.early import residual_below_labels, weak_interaction
    from thalweg.certify.geometry import Geometry
    from thalweg.certify.slabs import nearby, promising
    from thalweg.certify.state import State

    tests = {"A0": residual_below_labels, "A": weak_interaction, "B": nearby}
    print(f"{'(n, d, p)':18} {'test':4} {'loss':>9} {'time / rule':>12} {'ms per call':>12}")
    for n, d, p in SETTINGS:
        first: dict[str, list[float]] = {name: [] for name in tests}
        when: dict[str, list[float]] = {name: [] for name in tests}
        cost: dict[str, list[float]] = {name: [] for name in tests}
        for seed in range(seeds):
            data, network = tw.data.sphere(n, d, seed=seed), tw.init.dominated(d, p, seed=1000 + seed)
            geometry = Geometry(data)
            reach = tw.flow(network, data, t_end=1e5, stop=tw.LossBelow(1e-9), progress=False)
            rule = float(np.interp(-np.log(1 / (2 * n)), -np.log(reach.loss), reach.t))
            times = np.concatenate([[0.0], reach.t[-1] * np.linspace(0.01, 1.0, 120)])
            traj = tw.flow(network, data, t_end=times[-1], times=times, progress=False)
            waiting = set(tests)
            for k in range(len(traj.t)):
                state = State.of(traj.networks[k], geometry)
                for name in sorted(waiting):
                    if name == "B" and not promising(state, 0.5 * n * float(traj.curvature[k])):
                        continue
                    begun = time.perf_counter()
                    found = tests[name](state)
                    cost[name].append(1e3 * (time.perf_counter() - begun))
                    if found.holds:
                        waiting.discard(name)
                        first[name].append(float(traj.loss[k]))
                        when[name].append(float(traj.t[k]) / rule)
        for name in tests:
            fired = first[name]
            if fired:
                middle = f"{statistics.median(fired):9.2g} {statistics.median(when[name]):12.2f}"
            else:
                middle = f"{'-':>9} {'-':>12}"
            print(f"{(n, d, p)!s:18} {name:4} {middle} {statistics.median(cost[name]):12.1f}", flush=True)


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "fire"
    if what == "sweep":
        sweep(int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
    else:
        fire()
