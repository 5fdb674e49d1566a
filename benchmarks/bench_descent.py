"""Gradient descent on shallow networks against a plain PyTorch loop, on the published experiment at d = 100.

    python benchmarks/bench_descent.py [--quick] [--seeds 8] [--sizes 1300 1600 1700 1900]

Experiment 1 of Dana, Bach and Pillaud-Vivien (2025): p = floor(log(n/0.05)/log(4/3)) + 1, step size 1, at most
floor(1.5 sqrt(np) log(np)/4 + 1) steps, success at L <= 1/(2n). The peer is the loop one would write: one model at a
time, autograd, SGD. All start from the same networks and data, and all stop at success, so that steps are the same.

First PyTorch's semantics are checked: losses of every step in float64 from the same start, and a step from a kink.
Then runs are timed: drawing data and networks is outside the clock, all else inside. The peer runs with one and with
two threads; thalweg runs its trials one after the other, and two at a time. Methods take turns, seed by seed. On a busy
machine two threads of PyTorch wait for each other most of the time: then give --peer-threads 1.
"""

import single_thread  # noqa: F401  # isort: skip  # before everything that starts threads

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np

import thalweg as tw
from thalweg.descent import descend_many

D = 100


def experiment(n, seed):
    """A start, data, steps and the level of success."""
    p = math.floor(math.log(n / 0.05) / math.log(4 / 3)) + 1
    steps = math.floor(1.5 * math.sqrt(n * p) * math.log(n * p) / 4 + 1)
    data = tw.data.sphere(n, D, seed=seed)
    return tw.init.dominated(D, p, seed=10_000 + seed), data, steps, 1 / (2 * n)


def torch_run(network, data, steps, level, kind="float64", threads=1, step_size=1.0):
    """Descend with PyTorch; the loss before every step, and after the last."""
    import torch

    torch.set_num_threads(threads)
    dtype = getattr(torch, kind)
    model = torch.nn.Sequential(
        torch.nn.Linear(network.d, network.p, bias=False),
        torch.nn.ReLU(),
        torch.nn.Linear(network.p, 1, bias=False),
    ).to(dtype)
    W, a = network.to_unnormalised()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor(W))
        model[2].weight.copy_(torch.tensor(a[None]))
    X, y = torch.tensor(data.X, dtype=dtype), torch.tensor(data.y[:, None], dtype=dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=step_size)
    losses = []
    for k in range(steps + 1):
        optimizer.zero_grad()
        loss = ((model(X) - y) ** 2).mean() / 2
        losses.append(loss.item())
        if losses[-1] <= level or k == steps:
            break
        loss.backward()
        optimizer.step()
    return losses, model


def check_semantics():
    """Raise unless every loss, and a step from a kink, are PyTorch's."""
    worst = 0.0
    for n, d, p, step_size in ((300, 20, 30, 1.0), (40, 60, 20, 0.5), (1300, D, 36, 1.0)):
        network, data = tw.init.dominated(d, p, seed=2), tw.data.sphere(n, d, seed=1)
        theirs, _ = torch_run(network, data, 100, 0.0, step_size=step_size)
        ours = tw.descend(network, data, step_size=step_size, steps=100, record=np.arange(101))
        worst = max(worst, float(np.abs(ours.loss / np.array(theirs) - 1).max()))
    network = tw.ShallowNetwork([[0.0, 1.0], [1.0, 0.0]], [1.0, 1.0])  # its first neuron is at its kink
    data = tw.Dataset([[1.0, 0.0]], [2.0])
    _, model = torch_run(network, data, 1, 0.0, step_size=0.1)
    there = model[0].weight.detach().numpy() * math.sqrt(2)
    kink = float(np.abs(tw.descend(network, data, step_size=0.1, steps=1).final.W - there).max())
    print(f"PyTorch's semantics: losses of 100 steps differ by at most {worst:.1e}, a step from a kink by {kink:.1e}")
    if worst > 1e-8 or kink > 1e-14:
        raise RuntimeError("descend is not what PyTorch does")


def methods(peer_threads):
    """Name, and function from a list of trials to (steps, success) of each."""

    def ours(precision, threads):
        def run(trials):
            *_, steps, level = trials[0]
            pairs = [(network, data) for network, data, *_ in trials]
            ends = descend_many(
                pairs, step_size=1.0, steps=steps, loss_below=level, precision=precision, threads=threads
            )
            return [(end.iteration, end.loss <= level) for end in ends]

        return run

    def theirs(kind, threads):
        def run(trials):
            losses = [(torch_run(*trial, kind=kind, threads=threads)[0], trial[3]) for trial in trials]
            return [(len(each) - 1, each[-1] <= level) for each, level in losses]

        return run

    found = {
        f"thalweg {precision}, {threads} at a time": ours(precision, threads)
        for precision in ("float64", "float32")
        for threads in (1, 2)
    }
    try:
        import torch  # noqa: F401
    except ImportError:
        print("PyTorch is not installed and is skipped: pip install --group bench")
        return found, False
    peers = {
        f"PyTorch {kind}, {threads} thread{'s' * (threads > 1)}": theirs(kind, threads)
        for kind in ("float64", "float32")
        for threads in peer_threads
    }
    return found | peers, True


def main(sizes, seeds, peer_threads):
    found, peers = methods(peer_threads)
    if peers:
        check_semantics()
    for run in found.values():  # compilation and first calls are outside the clock
        run([experiment(60, 0)] * 2)
    record = {}
    print(
        f"{'method':32s} {'n':>5s} {'trials':>6s} {'success':>7s} {'steps':>7s} {'seconds':>8s} {'ms/step':>8s} cores"
    )
    for n in sizes:
        totals = {name: [0.0, 0.0, 0, 0] for name in found}
        for seed in range(0, seeds, 2):
            trials = [experiment(n, each) for each in range(seed, min(seed + 2, seeds))]
            for name, run in found.items():
                began = time.perf_counter(), time.process_time()
                ends = run(trials)
                spent = (time.perf_counter() - began[0], time.process_time() - began[1])
                added = (*spent, sum(steps for steps, _ in ends), sum(bool(success) for _, success in ends))
                totals[name] = [a + b for a, b in zip(totals[name], added, strict=True)]
        for name, (seconds, processor, steps, successes) in totals.items():
            print(
                f"{name:32s} {n:5d} {seeds:6d} {successes:7d} {steps:7d} {seconds:8.2f} {1e3 * seconds / steps:8.3f} "
                f"{processor / seconds:5.2f}",
                flush=True,
            )
        record[n] = totals
    report(record, found, peers)
    out = Path("out")
    out.mkdir(exist_ok=True)
    (out / "bench_descent.json").write_text(json.dumps(record))


def report(record, found, peers):
    """Time per step, relative to the fastest setting of the peer in each precision."""
    if not peers:
        return
    pace = {
        name: sum(row[name][0] for row in record.values()) / sum(row[name][2] for row in record.values())
        for name in found
    }
    best = {
        precision: min((pace[name], name) for name in found if name.startswith(f"PyTorch {precision}"))
        for precision in ("float64", "float32")
    }
    for name in found:
        if name.startswith("thalweg"):
            ratios = [f"{seconds / pace[name]:.2f} times faster than {peer}" for seconds, peer in best.values()]
            print(f"{name}: {'; '.join(ratios)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small size, two seeds")
    parser.add_argument("--seeds", type=int, default=8, help="trials of each size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1300, 1600, 1700, 1900], help="numbers of samples")
    parser.add_argument("--peer-threads", type=int, nargs="+", default=[1, 2], help="threads of PyTorch")
    options = parser.parse_args()
    main(*(((300,), 2) if options.quick else (options.sizes, options.seeds)), options.peer_threads)
