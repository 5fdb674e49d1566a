"""Cost against depth of the exact routes for deep linear networks, beside the full network elsewhere; see README.md.

    python benchmarks/bench_depth.py [--quick] [--repeats 3] [--cap SECONDS]

Three tasks on a Gaussian target, d = 10: the flow from ZAS (error clock) to a relative loss of 1e-10, the flow from a
random last layer for that time ((V, Q) reduction), and descent from ZAS at eta* to a relative loss of 1e-10.
Peers hold and step all layers: diffrax (Tsit5, compiled outside the clock), a plain PyTorch loop with autograd, and
thalweg's own integration and descent of all layers in NumPy. A peer that took a tenth of the cap does not go deeper.

The error is that of the final loss, relative. References share no code with what they judge: DOP853 at 1e-13 on each
mode for the error clock, iteration in extended precision for the descent. The (V, Q) reduction is judged by
its own tightest run, which the flow of all layers confirms at the depths it reaches.
"""

import single_thread  # noqa: F401  # isort: skip  # before everything that starts threads

import argparse
import contextlib
import json
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from scipy.integrate import solve_ivp

import thalweg as tw
from thalweg.descent import safe_step
from thalweg.descent.descenders import LayerDescent
from thalweg.figures.depth_free import ACCURACY, run, target
from thalweg.flow.linear.layers import LayerRoute

DEPTHS = (3, 10, 100, 1000, 10_000, 100_000, 1_000_000)
OUT = Path(__file__).resolve().parent.parent / "out"
RTOL = 1e-6  # of thalweg's flows: the accuracy of the loss
STEP_RTOL = 1e-9  # of diffrax's steps; the loss is far less accurate, as it is the square of a small difference
LONG = 5.0  # seconds; a run as long as this is not repeated


class GivenUp(Exception):
    """A run that exceeds the cap."""


def random_last_layer(depth, dim):
    """Identities below a small random last layer: balanced hidden layers, and a rotation that moves."""
    V = np.random.default_rng(7).standard_normal((dim, dim)) * 0.3 / np.sqrt(dim * depth)
    return tw.DeepLinearNetwork([np.eye(dim), V], [depth - 1, 1])


# References


def mode_reference(depth, goal, t_end):
    """Excess loss of the flow from ZAS at t_end: (y, w) of every mode by SciPy, y = -log(1 - p/sigma)."""
    sigma, N = np.linalg.svd(goal.Phi, compute_uv=False), depth - 1

    def speed(_, state):
        y, w = np.split(state, 2)
        power = np.exp(N * np.log1p(w * w) / 2)
        return np.concatenate([power**2 * (1 + N * w * w / (1 + w * w)), sigma * np.exp(-y) * power])

    found = solve_ivp(speed, (0.0, t_end), np.zeros(2 * len(sigma)), "DOP853", rtol=1e-13, atol=1e-15)
    return 0.5 * float(np.sum(sigma**2 * np.exp(-2 * found.y[: len(sigma), -1])))


def descent_reference(depth, goal, step, iterations):
    """Excess loss of gradient descent from ZAS after so many iterations, each mode in extended precision."""
    sigma, N = np.linalg.svd(goal.Phi, compute_uv=False).astype(np.longdouble), np.longdouble(depth - 1)
    w, grown, step = np.zeros_like(sigma), np.zeros_like(sigma), np.longdouble(step)
    for _ in range(iterations):
        top = np.exp(N * np.log1p(grown))
        error = sigma - w * top
        w, grown = w + step * error * top, grown + step * error * w * top / (1 + grown)
    return float(0.5 * np.sum((sigma - w * np.exp(N * np.log1p(grown))) ** 2))


# The flows: functions of the start, the target, the time and the cap that return the final excess loss.


def exact_flow(start, goal, t_end, cap):
    return float(tw.flow(start, goal, t_end=t_end, times=[t_end], rtol=RTOL, progress=False).excess[-1])


def all_layers_flow(start, goal, t_end, cap):
    deadline = time.perf_counter() + cap
    excess = np.nan
    for state, _ in LayerRoute(start, goal).march(t_end, None, RTOL):
        excess = state.excess
        if time.perf_counter() > deadline:
            raise GivenUp
    return excess


def prepare_diffrax(start, goal, t_end, cap):
    """Compile for this depth, outside the clock; its cap is a number of steps."""
    import diffrax
    import jax
    import jax.numpy as jnp

    Phi, layers = jnp.asarray(goal.Phi), jnp.asarray(np.array(list(start.layers)))

    def loss(W):
        product = jax.lax.scan(lambda P, layer: (layer @ P, None), jnp.eye(len(Phi)), W)[0]
        return 0.5 * jnp.sum((product - Phi) ** 2)

    slope = jax.grad(loss)

    def integrate(W, end, max_steps):
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, W, args: -slope(W)),
            diffrax.Tsit5(),
            0.0,
            end,
            None,
            W,
            stepsize_controller=diffrax.PIDController(rtol=STEP_RTOL, atol=1e-3 * STEP_RTOL),
            saveat=diffrax.SaveAt(t1=True),
            max_steps=max_steps,
            throw=False,
        )
        return loss(found.ys[-1]), found.stats["num_steps"], found.result == diffrax.RESULTS.successful

    def compiled(max_steps):
        return jax.jit(partial(integrate, max_steps=max_steps)).lower(layers, t_end).compile()

    trial = compiled(16)
    jax.block_until_ready(trial(layers, t_end))
    begun = time.perf_counter()
    taken = int(trial(layers, t_end)[1])
    pace = (time.perf_counter() - begun) / max(taken, 1)
    whole = compiled(max(16, int(cap / pace)))

    def solve(start, goal, t_end, cap):
        excess, _, finished = whole(layers, t_end)
        if not bool(finished):
            raise GivenUp
        return float(excess)

    return solve


# Gradient descent: functions of the start, the target, the step, the level and the cap that return iterations and loss.


def exact_descent(start, goal, step, level, cap):
    traj = tw.descend(start, goal, step_size=step, steps=10_000_000, stop=tw.LossBelow(level))
    return int(traj.iteration[-1]), float(traj.excess[-1])


def all_layers_descent(start, goal, step, level, cap):
    descent, done, deadline = LayerDescent(start, goal, step, 0.0), 0, time.perf_counter() + cap
    while True:
        made, why = descent.advance(10, level, np.inf)
        done += made
        if why:
            return done, descent.state(0.0).excess
        if time.perf_counter() > deadline:
            raise GivenUp


def torch_descent(start, goal, step, level, cap):
    import torch

    torch.set_num_threads(1)
    layers = [torch.tensor(W, requires_grad=True) for W in start.layers]
    Phi, done, deadline = torch.from_numpy(goal.Phi), 0, time.perf_counter() + cap
    while True:
        product = layers[0]
        for W in layers[1:]:
            product = W @ product
        loss = 0.5 * ((product - Phi) ** 2).sum()
        if loss.item() <= level:
            return done, loss.item()
        loss.backward()
        with torch.no_grad():
            for W in layers:
                W -= step * W.grad
                W.grad = None
        done += 1
        if time.perf_counter() > deadline:
            raise GivenUp


def timed(function, repeats):
    """Return the result, the median of the seconds, processor time per elapsed time, and the number of runs."""
    seconds, processor = [], []
    while len(seconds) < repeats and (not seconds or seconds[-1] < LONG):
        wall, used = time.perf_counter(), time.process_time()
        result = function()
        processor.append(time.process_time() - used)
        seconds.append(time.perf_counter() - wall)
    return result, median(seconds), median(processor) / median(seconds), len(seconds)


class Race:
    """The rows of all tasks, and the peers that are still in."""

    def __init__(self, repeats, cap):
        self.repeats, self.cap, self.rows, self.out = repeats, cap, [], set()

    def enter(self, task, method, depth, prepare, judge, peer=True):
        """Time one method; `prepare` returns the function to time, `judge` the number of steps and the error."""
        if (task, method) in self.out:
            return None
        try:
            result, seconds, cores, runs = timed(prepare(), self.repeats)
        except ImportError as error:
            self.out.add((task, method))
            print(f"{method}: skipped, no module {error.name}")
            return None
        except GivenUp:
            self.out.add((task, method))
            print(f"{task:18s} {depth:8d} {method:22s}   more than {self.cap:g} s", flush=True)
            self.rows.append({"task": task, "depth": depth, "method": method, "given_up": self.cap})
            return None
        steps, error = judge(result)
        if peer and seconds > self.cap / 10:
            self.out.add((task, method))  # the next depth would take ten times as long or more
        row = {"task": task, "depth": depth, "method": method, "seconds": seconds, "runs": runs, "cores": cores}
        self.rows.append(row | {"iterations": steps, "error": error})
        what = f"{steps:9d} iterations" if steps else ""
        print(
            f"{task:18s} {depth:8d} {method:22s} {seconds:10.4f} s {runs:2d} {cores:5.2f} {error:9.1e} {what}",
            flush=True,
        )
        return result


def run_flows(race, task, ours, depth, start, goal, t_end, true):
    """Time one flow by thalweg's route and by the peers."""
    ways = {ours: exact_flow, "all layers, NumPy": all_layers_flow, "diffrax Tsit5": prepare_diffrax}
    for name, solve in ways.items():

        def prepare(solve=solve):
            if solve is prepare_diffrax:
                solve = solve(start, goal, t_end, race.cap)
            return partial(solve, start, goal, t_end, race.cap)

        race.enter(task, name, depth, prepare, lambda x: (0, abs(x / true - 1)), peer=name != ours)


def run_depth(race, depth, goal):
    """Run the three tasks at one depth."""
    level = ACCURACY * goal.excess(goal.Phi)
    start = tw.init.zas(depth, goal.d_in)
    t_end = run("flow", depth, goal)
    true = mode_reference(depth, goal, t_end)
    run_flows(race, "flow from ZAS", "error clock", depth, start, goal, t_end, true)
    random = random_last_layer(depth, goal.d_in)
    tight = tw.flow(random, goal, t_end=t_end, times=[t_end], rtol=1e-12, progress=False)
    assert "(V, Q)" in tight.route, tight.route
    run_flows(race, "random last layer", "(V, Q)", depth, random, goal, t_end, float(tight.excess[-1]))
    step = safe_step(start, goal)
    descents = {"modes": exact_descent, "all layers, NumPy": all_layers_descent, "PyTorch": torch_descent}
    for name, solve in descents.items():
        prepare = partial(partial, solve, start, goal, step, level, race.cap)

        def judge(result):
            return result[0], abs(result[1] / descent_reference(depth, goal, step, result[0]) - 1)

        race.enter("descent at eta*", name, depth, prepare, judge, peer=solve is not exact_descent)


def warm_up(goal):
    """Import and compile outside the clock."""
    start = tw.init.zas(2, goal.d_in)
    for descend in (exact_descent, torch_descent):
        with contextlib.suppress(ImportError):
            descend(start, goal, safe_step(start, goal), 1e-3, 60.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="four depths, cap of 2 s")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cap", type=float, default=None, help="seconds that one run of a peer may take (default 60)")
    options = parser.parse_args()
    goal = target(0)
    race = Race(options.repeats, options.cap or (2.0 if options.quick else 60.0))
    warm_up(goal)
    print(f"{'task':18s} {'depth':>8s} {'method':22s} {'median':>12s} {'n':>2s} {'cores':>5s} {'error':>9s}")
    for depth in DEPTHS[:4] if options.quick else DEPTHS:
        run_depth(race, depth, goal)
    OUT.mkdir(exist_ok=True)
    name = "bench_depth_quick.json" if options.quick else "bench_depth.json"
    (OUT / name).write_text(json.dumps({"rows": race.rows, "cap": race.cap}, indent=1) + "\n")


if __name__ == "__main__":
    main()
