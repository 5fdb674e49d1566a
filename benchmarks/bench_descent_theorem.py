"""The theorem on gradient descent from zero-asymmetric starts, on a seeded sweep: is its bound ever broken?

    python benchmarks/bench_descent_theorem.py [--quick] [--problems 800]

Of every eight problems five are stepped layer by layer, by a loop written here with nothing but matrix products, at
depths 1 to 30 and any position of the zero layer; three run through `tw.descend` at depths 100 to 10^4. Targets:
Gaussian, rank-deficient, huge, tiny, ill-conditioned, with equal singular values, minus the identity, rectangular.
Sizes of the other layers: 0.7 to 1.2 where their powers stay within float64, and the larger identity. Steps: eta*
exactly in three of four, a share of it otherwise.

At every iteration: R_k <= (1 - eta alpha^(2N))^(2k) R_0, no singular value of the product falls, none exceeds that of
the target; each up to rounding of the products, whose size is printed. A control runs the same problems at 2 eta*,
where the theorem is silent and overshoot is to be seen.

Then steps to 10^-10 are counted against their bounds, up to a depth of 10^6, and these runs are held to the same.
"""

import single_thread  # noqa: F401  # isort: skip  # before everything that starts threads

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np

import thalweg as tw

KINDS = ("gaussian", "rank-deficient", "huge", "tiny", "ill-conditioned", "equal", "minus identity", "rectangular")
ALPHAS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
EPS = float(np.finfo(float).eps)
# Errors of products of rounded matrices, in units of eps |Phi|_F sqrt(d L).
ALLOWED = 16


def matrix(kind, rng):
    """A target of one kind, 2 to 6 rows and columns."""
    d = int(rng.integers(2, 7))
    G = rng.normal(size=(d, d)) / math.sqrt(d)
    if kind == "rank-deficient":
        return G[:, :1] @ G[:1]
    if kind in ("huge", "tiny"):
        return G * (1e6 if kind == "huge" else 1e-6)
    if kind == "ill-conditioned":
        U, _, Vt = np.linalg.svd(G)
        return U * np.geomspace(3.0, 3e-6, d) @ Vt
    if kind == "equal":
        return 2.0 * np.linalg.qr(G)[0]
    if kind == "minus identity":
        return -np.eye(d)
    return rng.normal(size=(d, d + 1)) if kind == "rectangular" else G


def problem(k):
    """Start, target and step size of problem k, and whether it is stepped layer by layer."""
    rng = np.random.default_rng((2019, k))
    Phi = matrix(KINDS[k // 8 % len(KINDS)], rng)
    by_layers = k % 8 < 5
    depth = int(rng.choice((1, 2, 3, 5, 8, 13, 30) if by_layers else (100, 1000, 10_000)))
    possible = [a for a in ALPHAS if abs((depth - 1) * math.log(a)) <= 145]
    alpha = float(rng.choice([*possible, tw.init.zas_alpha(depth, float(np.linalg.norm(Phi, 2)))]))
    place = int(rng.choice([1, depth, int(rng.integers(1, depth + 1))]))
    target = tw.Target(Phi)
    start = tw.init.zas(depth, (target.d_in, target.d_out), alpha=alpha, zero_layer=place)
    share = float(rng.choice([1.0, 1.0, 1.0, rng.uniform(0.05, 1.0)]))
    return start, target, alpha, share * tw.descent.safe_step(start, target), by_layers


def products(layers, Phi, eta, steps):
    """Yield the product of all layers at every iteration of plain gradient descent."""
    for _ in range(steps + 1):
        below = [np.eye(Phi.shape[1])]
        for W in layers:
            below.append(W @ below[-1])
        yield below[-1]
        above, moved = below[-1] - Phi, []
        for W, B in zip(layers[::-1], below[-2::-1], strict=True):
            moved.append(W - eta * above @ B.T)
            above = W.T @ above
        layers = moved[::-1]


def path(start, target, eta, by_layers, steps):
    """Excess losses, singular values and iterations of one run."""
    if not by_layers:
        traj = tw.descend(start, target, step_size=eta, steps=steps)
        return traj.excess, traj.singular_values, traj.iteration
    with np.errstate(all="ignore"):
        found = [P for P in products(list(start.layers), target.Phi, eta, steps) if np.isfinite(P).all()]
    losses = np.array([target.excess(target.error(P)) for P in found])
    return losses, np.array([np.linalg.svd(P, compute_uv=False) for P in found]), np.arange(len(found))


def broken(losses, values, iterations, start, target, alpha, eta):
    """By how many roundings the bound, the growth and the ceiling are missed at most; 0 if not at all."""
    gain = math.exp(2 * (start.depth - 1) * math.log(alpha))
    bound = np.sqrt(losses[0]) * np.exp(iterations * math.log1p(-eta * gain))
    top = np.linalg.svd(target.Phi, compute_uv=False)
    unit = EPS * float(np.linalg.norm(target.Phi)) * math.sqrt(target.d_in * start.depth)
    missed = (np.sqrt(losses) - bound * (1 + 1e-12), values[:-1] - values[1:], values - top)
    return [max(float(np.max(each, initial=0.0)) / unit, 0.0) for each in missed]


def sweep(count, steps):
    """Run all problems; print and return what was found."""
    names, worst, failures, overshoot = ("bound", "growth", "ceiling"), np.zeros(3), 0, 0
    exact, deepest, began = 0, 0, time.perf_counter()
    for k in range(count):
        start, target, alpha, eta, by_layers = problem(k)
        found = broken(*path(start, target, eta, by_layers, steps), start, target, alpha, eta)
        worst = np.maximum(worst, found)
        failures += bool(max(found) > ALLOWED)
        exact += bool(eta == tw.descent.safe_step(start, target))
        deepest = max(deepest, start.depth)
        eta = 2 * tw.descent.safe_step(start, target)
        beyond = broken(*path(start, target, eta, by_layers, steps), start, target, alpha, eta)[2]
        overshoot += bool(beyond > ALLOWED)
    missed = ", ".join(f"{name} by {value:.1f}" for name, value in zip(names, worst, strict=True))
    print(f"{count} problems, {exact} of them at eta* exactly, depth up to {deepest}, {steps} steps each:")
    print(f"  {failures} violations; missed at most, in roundings: {missed} ({ALLOWED} allowed)")
    print(f"  control at 2 eta*: {overshoot} problems overshoot")
    print(f"  {time.perf_counter() - began:.0f} s")
    return {
        "problems": count,
        "exact": exact,
        "violations": failures,
        "roundings": worst.tolist(),
        "control": overshoot,
    }


def counts(depths):
    """Steps to 10^-10 at eta* and at the larger identity, against their bounds; these, and the violations."""
    rows, failures = [], 0
    print(f"{'depth':>9} {'steps at eta*':>14} {'bound':>12} {'larger identity':>16} {'bound':>6}")
    for depth in depths:
        target = tw.Target(np.random.default_rng(depth).normal(size=(10, 10)) / math.sqrt(10))
        stop = tw.LossBelow(1e-10 * target.excess(target.Phi))
        row = [depth]
        for alpha in (1.0, tw.init.zas_alpha(depth, target.norm)):
            start = tw.init.zas(depth, 10, alpha=alpha)
            name = "zas-descent" if alpha == 1.0 else "larger-identity"
            bound = int(tw.check(name, target=target, network=start)[name]["steps"])
            traj = tw.descend(start, target, step_size="safe", steps=min(bound, 10**6), stop=stop)
            recorded = (traj.excess, traj.singular_values, traj.iteration)
            failures += bool(max(broken(*recorded, start, target, alpha, traj.settings["step_size"])) > ALLOWED)
            row += [int(traj.iteration[-1]) if traj.outcome.name == "LOSS_BELOW" else None, bound]
        rows.append(row)
        taken = f"{row[1]}" if row[1] is not None else "over 10^6"
        print(f"{depth:>9} {taken:>14} {row[2]:>12.3g} {row[3]!s:>16} {row[4]:>6}")
    print(f"  {failures} violations")
    return rows, failures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="80 problems")
    parser.add_argument("--problems", type=int, default=800, help="problems of the sweep")
    options = parser.parse_args()
    record = sweep(80 if options.quick else options.problems, 300)
    record["counts"], failures = counts(
        (3, 10, 100, 1000) if options.quick else (3, 10, 100, 1000, 10**4, 10**5, 10**6)
    )
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    (folder / "bench_descent_theorem.json").write_text(json.dumps(record))
    if record["violations"] + failures:
        raise SystemExit("the bound was broken")
