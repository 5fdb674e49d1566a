"""Curvature of the orthogonal flow at the end of experiment 2 of Dana, Bach and Pillaud-Vivien (2025).

    python benchmarks/bench_curvature.py [--quick] [--seeds 60]

The law: x_i = c_i e_i in R^d, d = 2000 as published (d = n above that); c and |y| uniform on [1, 2], fair signs of y
and a; W uniform on (-1, 1)/sqrt(d), |a_j| = |w_j| + Exp(1), then W times 0.01; the network is drawn again until every
sample is covered; p = floor(log(n/0.05)/log(4/3)) + 1; the flow stops at L <= 1e-6/(2n).

mu_inf is the local curvature there, <mu> = log(L(0)/L)/t the average one, and mu_low = (2/n) min_i S_i and
mu_upp = (16/n) max_i S_i, S_i = (1/p) sum of a_j^2 over the neurons active on sample i, are the published bounds.
Geometric means over seeds, with standard errors. The last columns compare mu_inf with (2/n) min_i H_ii.
"""

import single_thread  # noqa: F401  # isort: skip  # before everything that starts threads

import argparse
import itertools
import json
import math
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

import thalweg as tw

NAMES = ("mu_inf", "<mu>", "mu_low", "mu_upp")
PUBLISHED_DIMENSION = 2000
# Slopes of log mu over log n on [1000, 2000] as published.
PUBLISHED_SLOPES = (-0.81, -0.73, -0.73, -0.50)


def experiment(n, seed):
    """Data and a covered network."""
    p = math.floor(math.log(n / 0.05) / math.log(4 / 3)) + 1
    d = max(n, PUBLISHED_DIMENSION)
    law = tw.data.orthogonal(n, seed=seed)
    X = csr_array((law.X.data, law.X.indices, law.X.indptr), shape=(n, d))
    data = tw.Dataset(X, law.y, name=law.name)
    for draw in itertools.count():
        network = tw.init.dominated(d, p, scale=0.01, seed=1000 * seed + draw)
        on, up = network.W[:, :n] > 0, network.a > 0
        if np.where(data.y > 0, on[up].any(0), on[~up].any(0)).all():
            return data, network


def trial(n, seed):
    """The four curvatures, and (2/n) min H_ii over mu_inf."""
    data, network = experiment(n, seed)
    traj = tw.flow(network, data, t_end=1e9, times=[0.0], stop=tw.LossBelow(1e-6 / (2 * n)), progress=False)
    kernel = tw.curvature.tangent_kernel_at(traj)
    S = kernel.input_part / data.norms**2
    mu = float(traj.curvature[-1])
    average, low, high = float(traj.average_curvature[-1]), 2 / n * float(S.min()), 16 / n * float(S.max())
    if not low <= traj.curvature_lower[-1] <= mu <= traj.curvature_upper[-1] <= high:
        raise RuntimeError(f"a bound of the curvature fails at n = {n}, seed {seed}")
    return (mu, average, low, high), tw.curvature.asymptotic_rate(kernel).rate / mu


def summary(values):
    """Geometric mean over the first axis, and its relative standard error."""
    logs = np.log(values)
    return np.exp(logs.mean(axis=0)), logs.std(axis=0, ddof=1) / math.sqrt(len(logs))


def slopes(rows, low, high):
    """Slope between two sizes of each log curvature, and its standard error."""
    span = math.log(high / low)
    (mean_low, error_low), (mean_high, error_high) = (summary(rows[n]) for n in (low, high))
    return np.log(mean_high / mean_low) / span, np.hypot(error_low, error_high) / span


def main(sizes, seeds):
    rows, record = {}, {}
    print(f"sqrt(n) times curvatures, geometric means over {seeds} seeds ± standard errors")
    print(f"{'n':>6} {'p':>3}  " + "".join(f"{name:>14}" for name in NAMES) + "   (2/n) min H_ii / mu_inf    seconds")
    for n in sizes:
        began = time.perf_counter()
        trials = [trial(n, seed) for seed in range(1, seeds + 1)]
        seconds = time.perf_counter() - began
        rows[n] = np.array([values for values, _ in trials])
        ratios = np.array([ratio for _, ratio in trials])
        mean, error = summary(rows[n])
        cells = "".join(f"{m * n**0.5:8.3f} ±{m * e * n**0.5:5.3f}" for m, e in zip(mean, error, strict=True))
        p = math.floor(math.log(n / 0.05) / math.log(4 / 3)) + 1
        gap = np.abs(ratios - 1)
        print(
            f"{n:>6} {p:>3}  {cells}   off by {np.median(gap):.3f}, at most {gap.max():.3f}   {seconds:8.1f}",
            flush=True,
        )
        record[n] = {"curvatures": rows[n].tolist(), "heuristic": ratios.tolist(), "seconds": seconds}
    for low, high in itertools.pairwise(sizes):
        found, error = slopes(rows, low, high)
        text = ", ".join(f"{name} {s:+.2f} ±{e:.2f}" for name, s, e in zip(NAMES, found, error, strict=True))
        print(f"slopes from n = {low} to {high}: {text}")
        if (low, high) == (1000, 2000):
            print("  published on [1000, 2000]: " + ", ".join(f"{s:+.2f}" for s in PUBLISHED_SLOPES))
    out = Path("out")
    out.mkdir(exist_ok=True)
    (out / "bench_curvature.json").write_text(json.dumps(record))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--seeds", type=int, default=60, help="runs of each size, at least 2")
    options = parser.parse_args()
    main((100, 1000) if options.quick else (100, 1000, 2000, 10_000), options.seeds)
