"""Certificates of deep linear networks: never a false one, where they fire, and what they cost.

    python benchmarks/bench_linear_certificates.py sweep [STATES]   random states, every certificate followed
    python benchmarks/bench_linear_certificates.py fire             the loss, and the noise, at which each test fires

The sweep draws 1 to 8 layers of width 1 to 6: ZAS, noisy ZAS, balanced, near-identity, Xavier, orthogonal and
rectangular starts, on Gaussian targets, -I, targets of negative determinant or low rank, and regressions; half of the
states are starts, half have been trained for a while. Each of A, B and C is asked on its own, C for gradient descent
too.

- The flow goes on from the state (rtol 1e-7), and at every output time R - R* <= (R_0 - R*) exp(-rate t) is asked of
  every test that holds, and, where all layers are followed, that none has gone further than the radius. Square roots
  are compared, to 1e-6 of them and 1e-10 of the size of the problem, which is what the flow is good for.
- Gradient descent is a loop of its own here, and at every step R_{k+1} - R* <= (1 - step rate) (R_k - R*) is asked.
- Every certificate is verified in extended precision, every tenth one in balls.
- The identity on -I, which ends in a saddle, must never be certified; balanced states are counted for which a test A
  without rounding bounds fires although the invariants are nothing but rounding.
"""

from __future__ import annotations

import single_thread  # noqa: F401  # isort: skip  # before everything that starts threads

import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

import thalweg as tw
from thalweg.certify.linear import certify_deep_linear
from thalweg.certify.linear.conserved import conserved
from thalweg.certify.linear.decide import conclude
from thalweg.certify.linear.enclosed import Found, Problem
from thalweg.certify.linear.near_target import near_target
from thalweg.certify.linear.nearby import nearby

TESTS = {"A": conserved, "B": near_target, "C": nearby}
STARTS = ("zas", "noisy zas", "balanced", "near-identity", "xavier", "orthogonal", "rectangular")
TARGETS = ("gaussian", "-I", "negative determinant", "rank-deficient", "data")
# Errors of the flow at rtol 1e-7, relative; and of the error E by flow and descent, beside target and product.
FLOW_ERROR, FLOW_ROUNDING, ROUNDING = 1e-6, 1e-10, 1e-14


def draw(seed: int) -> tuple[str, tw.DeepLinearNetwork, tw.Target]:
    """Draw a start and a target."""
    rng = np.random.default_rng([20261122, seed])
    kind, what = STARTS[seed % len(STARTS)], TARGETS[(seed // len(STARTS)) % len(TARGETS)]
    L, d = int(rng.integers(1, 9)), int(rng.integers(1, 7))
    widths = [d, d]
    scale = float(rng.choice([0.3, 1.0, 1.5]))
    if kind == "zas":
        network = tw.init.zas(L, d, alpha=float(rng.choice([0.9, 1.0, 1.1])), zero_layer=int(rng.integers(1, L + 1)))
    elif kind == "noisy zas":
        noise = 10.0 ** rng.uniform(-4, 0) / L
        network = tw.init.perturbed(tw.init.zas(L, d, zero_layer=int(rng.integers(1, L + 1))), noise, seed=seed)
    elif kind == "balanced":
        network = tw.init.balanced_layers(L, d, scale=scale, seed=seed)
    elif kind == "near-identity":
        network = tw.init.near_identity(L, d, seed=seed)
    elif kind == "xavier":
        network = tw.init.xavier(L, d, scale=scale, seed=seed)
    elif kind == "orthogonal":
        network = tw.init.orthogonal(L, d, scale=scale, seed=seed)
    else:
        sizes = rng.integers(1, 7, L + 1)
        if rng.random() < 0.5:  # square but for one layer, which is small
            place = int(rng.integers(1, L + 1))
            sizes = np.where(np.arange(L + 1) < place, sizes[0], sizes[-1])
            layers = [np.eye(b, a) for a, b in pairwise(sizes)]
            layers[place - 1] = np.zeros_like(layers[place - 1])
            network = tw.init.perturbed(tw.DeepLinearNetwork(layers), 10.0 ** rng.uniform(-4, 0) / L, seed=seed)
        else:
            layers = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
            network = tw.DeepLinearNetwork(layers)
        widths = [int(sizes[-1]), int(sizes[0])]
    Phi = rng.normal(size=widths) / np.sqrt(widths[1]) * 10.0 ** rng.uniform(-2, 0.5)
    if what == "-I":
        Phi = -np.eye(*widths)
    elif what == "negative determinant" and widths[0] == widths[1]:
        Phi *= np.where(np.arange(len(Phi)) == 0, -np.sign(np.linalg.det(Phi)), 1.0)[:, None]
    elif what == "rank-deficient":
        Phi = np.outer(Phi[:, 0], Phi[0])
    elif what == "data":
        n = widths[1] + int(rng.integers(1, 20))
        X = rng.normal(size=(n, widths[1])) * 10.0 ** rng.uniform(-0.5, 0.5, widths[1])
        return kind, network, tw.Target.regression(X, X @ Phi.T + 0.1 * rng.normal(size=(n, widths[0])))
    return kind, network, tw.Target(Phi)


def later(network: tw.DeepLinearNetwork, target: tw.Target, seed: int) -> tw.DeepLinearNetwork:
    """Train for a while: a network of all its layers, written out."""
    rng = np.random.default_rng([7, seed])
    level = target.floor + (network.loss(target) - target.floor) * 10.0 ** rng.uniform(-9, 0) + 1e-300
    return tw.flow(
        network, target, t_end=20.0, rtol=1e-3, stop=tw.LossBelow(level) | tw.WallTime(2.0), progress=False
    ).final


def steepest(network: tw.DeepLinearNetwork, target: tw.Target, eta: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the excess loss along plain gradient descent, and the distance from the start."""
    layers = [W.copy() for W in network.layers]
    start, X = [W.copy() for W in layers], np.linalg.cholesky(target.second_moment)
    excess, moved = [], []
    for _ in range(steps + 1):
        forward = [X]
        for W in layers:
            forward.append(W @ forward[-1])
        back = forward[-1] - target.Phi @ X
        excess.append(0.5 * float(np.sum(back**2)))
        moved.append(float(np.sqrt(sum(np.sum((W - V) ** 2) for W, V in zip(layers, start, strict=True)))))
        for l in range(len(layers) - 1, -1, -1):
            gradient, back = back @ forward[l].T, layers[l].T @ back
            layers[l] = layers[l] - eta * gradient
    return np.array(excess), np.array(moved)


def contradictions(problem: Problem, flowed: list[Found], eta: float, descended: Found) -> list[str]:
    """Follow the flow and the descent, and return what contradicts what was found."""
    network, target, found = problem.network, problem.target, []
    unit = float(np.sqrt(target.excess(target.Phi) + target.excess(network.product())))
    held = [each for each in flowed if each.holds]
    if held:
        horizon = float(np.clip(12.0 / min(each.rate for each in held), 1e-2, 30.0))
        times = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 40) * horizon])
        traj = tw.flow(network, target, t_end=horizon, times=times, rtol=1e-7, progress=False, stop=tw.WallTime(5.0))
        for each in held:
            allowed = np.sqrt(traj.excess[0] * np.exp(-each.rate * traj.t)) * (1 + FLOW_ERROR) + FLOW_ROUNDING * unit
            root = np.sqrt(traj.excess)
            if (root > allowed).any():
                k = int(np.argmax(root / allowed))
                found.append(f"{each.test}: {root[k]:.6g} above {allowed[k]:.6g} at t = {traj.t[k]:.3g}")
            if traj.route == "all layers":
                pairs = zip(traj.final.layers, network.layers, strict=True)
                moved = float(np.sqrt(sum(np.sum((W - V) ** 2) for W, V in pairs)))
                if moved > each.radius * (1 + FLOW_ERROR) + 1e-12:
                    found.append(f"{each.test}: moved by {moved:.6g}, radius {each.radius:.6g}")
    if descended.holds:
        excess, moved = steepest(network, target, eta, 400)
        allowed = np.sqrt((1 - eta * descended.rate) * excess[:-1]) * (1 + 1e-9) + ROUNDING * unit
        if (np.sqrt(excess[1:]) > allowed).any():
            found.append(f"descent: excess above the bound at step {int(np.argmax(np.sqrt(excess[1:]) > allowed))}")
        if moved.max() > descended.radius * (1 + 1e-9) + 1e-12:
            found.append(f"descent: moved by {moved.max():.6g}, radius {descended.radius:.6g}")
    return found


def sweep(states: int) -> None:
    """Ask every test about many states and check every answer."""
    counted: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    false = unverified = confirmed = 0
    begun = time.perf_counter()
    for number in range(states):
        seed = number // 2
        kind, network, target = draw(seed)
        try:
            network = later(network, target, seed) if number % 2 else network
        except tw.InputError:
            counted["flow to the state failed"] += 1
            continue
        with np.errstate(all="ignore"):
            problem = Problem.of(network, target)
            if not problem.least > 0:
                counted["data singular"] += 1
                continue
            flowed = [conserved(problem), near_target(problem), nearby(problem)]
            eta = 10.0 ** np.random.default_rng([9, seed]).uniform(-3, -0.1)
            descended = nearby(problem, eta)
        tried[kind] += 1
        for found in [*(each for each in flowed if each.holds), *([descended] if descended.holds else [])]:
            name = "C, descent" if found is descended else found.test
            counted[f"{kind:14} {name}"] += 1
            counted[f"{'all':14} {name}"] += 1
            certificate = conclude(problem, [found])
            confirmed += 1
            if not certificate.verify() or (confirmed % 10 == 0 and not certificate.verify(exact=True)):
                unverified += 1
                print(f"NOT VERIFIED: state {number}, {kind}, {found}", flush=True)
        try:
            contradicted = contradictions(problem, flowed, eta, descended)
        except tw.InputError:
            counted["flow from the state failed"] += 1
            continue
        for contradiction in contradicted:
            false += 1
            print(f"FALSE: state {number}, {kind}, L = {network.depth}: {contradiction}", flush=True)
    for name, count in sorted(counted.items()):
        print(f"{name:30} {count:5} of {tried.get(name[:14].strip(), sum(tried.values()))}")
    print(f"{sum(tried.values())} states, {confirmed} certificates, {false} false, {unverified} not verified")
    print(f"{time.perf_counter() - begun:.0f} s")
    saddles()
    balanced()


def saddles() -> None:
    """Certify the identity on -I, for the flow and for gradient descent, at the start and along the way."""
    asked = certified = 0
    for L in range(2, 11):
        for d in range(1, 7):
            target, start = tw.Target(-np.eye(d)), tw.init.near_identity(L, d, scale=0.0)
            for size in (1.0, 0.5, 0.1, 1e-3):
                network = tw.DeepLinearNetwork([size ** (1 / L) * W for W in start.layers])
                for step in (None, 1e-3, 0.1):
                    asked += 1
                    certified += certify_deep_linear(network, target, step_size=step).decided
    print(f"identity on -I: {asked} times asked, {certified} certified")


def balanced(states: int = 3000) -> None:
    """Count the balanced states in which test A fires, with its rounding bounds and without."""
    naive = proved = 0
    for seed in range(states):
        rng = np.random.default_rng([11, seed])
        L, d = int(rng.integers(2, 7)), int(rng.integers(1, 6))
        network = tw.init.balanced_layers(L, d, seed=seed)
        values = [np.linalg.eigvalsh(D)[[0, -1]] for D, count in network.invariants() for _ in range(count)]
        low, high = np.array(values).T
        sums = [np.concatenate([-np.cumsum(high[:k][::-1]), np.cumsum(low[k:])]) for k in range(L)]
        naive += any((s > 0).all() for s in sums)
        proved += conserved(Problem.of(network, tw.Target(np.eye(d)))).holds
    print(f"balanced states: {states}; A fires without rounding bounds in {naive}, with them in {proved}")


def begin(kind: str, L: int, d: int, seed: int) -> tw.DeepLinearNetwork:
    """Return a start for `fire`."""
    if kind == "zas":
        return tw.init.zas(L, d)
    if kind == "noisy zas":
        return tw.init.perturbed(tw.init.zas(L, d), 0.2, seed=seed)
    return tw.init.near_identity(L, d, seed=seed) if kind == "near-identity" else tw.init.xavier(L, d, seed=seed)


@dataclass
class Firing:
    """Asks every test whenever the loss has fallen by a half, and notes where it holds first and what it costs."""

    target: tw.Target
    first: dict[str, float] = field(default_factory=dict)
    cost: list[tuple[str, float]] = field(default_factory=list)
    level: float = np.inf

    def __call__(self, state: tw.RunningState) -> bool:
        if state.loss <= self.level:
            self.level = state.loss / 2
            with np.errstate(all="ignore"):
                problem = Problem.of(state.network(), self.target)  # type: ignore[arg-type]
                for name, test in TESTS.items():
                    begun = time.perf_counter()
                    if name not in self.first and test(problem).holds:
                        self.first[name] = state.loss / self.target.excess(self.target.Phi)
                    self.cost.append((name, 1e3 * (time.perf_counter() - begun)))
        return len(self.first) == len(TESTS)


def fire(seeds: int = 3, d: int = 5) -> None:
    """Print the loss, over that of the zero map, at which each test fires first along a run, and its cost."""
    print(f"{'start':14} {'L':>3} {'test':4} {'fired':>6} {'median R/R_Phi (range)':>30} {'ms, longest':>12}")
    for kind in ("zas", "noisy zas", "near-identity", "xavier"):
        for L in (3, 10):
            watches = []
            for seed in range(seeds):
                target = tw.Target(np.random.default_rng([13, seed]).normal(size=(d, d)) / np.sqrt(d))
                watch = Firing(target)
                stop = watch | tw.LossBelow(1e-12) | tw.WallTime(4.0)
                tw.flow(begin(kind, L, d, seed), target, t_end=1e3, stop=stop, rtol=1e-4, progress=False)
                watches.append(watch)
            for name in TESTS:
                levels = [watch.first[name] for watch in watches if name in watch.first]
                middle = f"{statistics.median(levels):.1e} ({min(levels):.0e} to {max(levels):.0e})" if levels else "-"
                longest = max(ms for watch in watches for each, ms in watch.cost if each == name)
                print(f"{kind:14} {L:3} {name:4} {len(levels):4}/{seeds} {middle:>30} {longest:12.1f}", flush=True)
    for L in (3, 10, 30, 100):
        largest = [noise(L, d, seed) for seed in range(10)]
        print(f"A on noisy ZAS, L = {L}: up to noise {statistics.median(largest):.2f}/L in the median of 10 seeds")


def noise(L: int, d: int, seed: int) -> float:
    """Return the largest multiple of 1/L, in steps of 0.05, of noise on ZAS at which A still holds."""
    for size in np.arange(2.0, 0.0, -0.05):
        network = tw.init.perturbed(tw.init.zas(L, d), size / L, seed=seed)
        if conserved(Problem.of(network, tw.Target(np.eye(d)))).holds:
            return float(size)
    return 0.0


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "fire"
    if what == "sweep":
        sweep(int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
    else:
        fire()
