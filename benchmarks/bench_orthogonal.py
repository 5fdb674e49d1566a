"""The orthogonal flow: its time, memory and error, beside SciPy's integrators on the same equations.

    python benchmarks/bench_orthogonal.py [--quick]

The law is that of experiment 2 of Dana, Bach and Pillaud-Vivien (2025): dominated start with scale 0.01, drawn again
until every sample has an active neuron of its label's sign, flowed to L <= 1e-6/(2n). SciPy integrates the masked
equations, a coordinate on its negative side standing still, with the same right-hand side in NumPy. The error is the
largest one of the active u_ji at the end, relative to the largest of them, against the engine at a tolerance a
thousand times finer. SciPy's own error against that reference falls with its tolerance, which vouches for it.
"""

import single_thread  # noqa: F401  # isort: skip  # before everything that starts threads

import argparse
import itertools
import math
import resource
import time

import numpy as np
from scipy.integrate import solve_ivp

import thalweg as tw
from thalweg.flow.orthogonal import OrthogonalEngine


def experiment(n, seed):
    """Data and a covered network of the published width."""
    p = math.floor(math.log(n / 0.05) / math.log(4 / 3)) + 1
    data = tw.data.orthogonal(n, seed=seed)
    for draw in itertools.count():
        network = tw.init.dominated(n, p, scale=0.01, seed=1000 * seed + draw)
        on, up = network.W > 0, network.a > 0
        if np.where(data.y > 0, on[up].any(0), on[~up].any(0)).all():
            return data, network


def run(data, network, rtol, t_end=math.inf):
    """Flow to the published loss, or to a given time; the engine and the seconds it took."""
    began = time.perf_counter(), time.process_time()
    engine = OrthogonalEngine(network, data, rtol=rtol)
    while engine.t < t_end and (t_end < math.inf or engine.loss > 1e-6 / (2 * data.n)):
        if not engine.step(t_end):
            raise RuntimeError(f"the step vanished at t = {engine.t}, loss {engine.loss}")
    return engine, time.perf_counter() - began[0], time.process_time() - began[1]


def scipy_run(data, network, method, rtol, t_end):
    """Integrate u and a with a SciPy method; the final (u, a), seconds and evaluations."""
    n, p, norms = data.n, network.p, data.norms
    start = np.concatenate([network.W.ravel(), network.a])

    def velocity(_, state):
        u, a = state[:-p].reshape(p, n), state[-p:]
        on = u > 0
        phi = np.where(on, u, 0.0)
        rho = norms * (data.y - norms * (a @ phi) / p) / n
        return np.concatenate([(np.outer(a, rho) * on).ravel(), phi @ rho])

    began = time.process_time()
    found = solve_ivp(velocity, (0, t_end), start, method, rtol=rtol, atol=rtol * 1e-3, t_eval=[t_end])
    return found.y[:-p, -1].reshape(p, n), time.process_time() - began, found.nfev


def compare(n):
    data, network = experiment(n, 1)
    run(data, network, 1e-4)  # compiles
    t_end = run(data, network, 1e-6)[0].t
    exact = run(data, network, 1e-9, t_end)[0].network()
    on = exact.preactivations(data.X) > 0

    def report(name, rtol, W, seconds, note):
        error = np.abs((W - exact.W)[on]).max() / np.abs(exact.W[on]).max()
        print(f"  {name:<8} rtol {rtol:.0e}  {seconds:8.2f} s  error {error:.1e}  {note}")

    print(f"n = {n}, p = {network.p}, to t = {t_end:.4g} (loss 1e-6/(2n)), processor seconds")
    for rtol in (1e-4, 1e-6):
        engine, _, seconds = run(data, network, rtol, t_end)
        report("thalweg", rtol, engine.network().W, seconds, f"{engine.steps} steps, {engine.events} events")
    for method, rtol in (("RK45", 1e-4), ("RK45", 1e-6), ("DOP853", 1e-4), ("DOP853", 1e-6)):
        W, seconds, evaluations = scipy_run(data, network, method, rtol, t_end)
        report(method, rtol, W, seconds, f"{evaluations} evaluations")


def large(n):
    data, network = experiment(n, 1)
    engine, elapsed, seconds = run(data, network, 1e-6)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    mu, average = engine.curvature(), math.log(network.loss(data) / engine.loss) / engine.t
    print(f"n = {n}, p = {network.p}, rtol 1e-6, to loss {engine.loss:.3g}: {elapsed:.1f} s elapsed,")
    print(f"  {seconds:.1f} s of processor, peak memory of the process {memory:.0f} MB")
    print(f"  {engine.steps} steps, {engine.events} events, of which {engine.nonunique} pairs could have left 0 again")
    print(f"  sqrt(n) times the curvature at the end {mu * n**0.5:.3f}, and on average {average * n**0.5:.3f}")
    print(f"  {engine.audit()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    quick = parser.parse_args().quick
    large(10_000 if quick else 100_000)  # first: the peak memory is that of the process
    compare(100 if quick else 1000)
