"""Draw the pictures of the pages on theorems: ``python docs/theorems/pictures.py`` writes them beside itself.

Every seed is fixed, and the SVG carries no date, so that a picture changes only if what it shows does.
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

import thalweg as tw
from thalweg.flow.linear import flow_deep_linear
from thalweg.theorems import ShallowSetting, coverage, weak_interaction
from thalweg.theorems.lemmas import CurvatureBounds
from thalweg.theorems.orthogonal_inputs import OrthogonalInputs
from thalweg.theorems.phase_transition import relative_width, squared_weight, transition_time
from thalweg.theorems.shallow_theorem import against_paper

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8A8A8A"


def run(network, data, t_end, **options):
    """Flow with output times that are even in the logarithm."""
    times = np.concatenate([[0.0], np.geomspace(t_end * 1e-3, t_end, 120)])
    return tw.flow(network, data, t_end=t_end, times=times, **options)


def theorem_1(ax):
    """The curvature of a run stays above (C/n) min |1 - r/y|."""
    data = tw.data.sphere(20, 5000, seed=1)
    (bound,) = against_paper(run(tw.init.dominated(5000, 30, seed=4), data, 60.0))
    t = np.concatenate([[0.0], np.geomspace(0.06, 60.0, 120)])[: len(bound.computed)]
    ax.semilogy(t, bound.computed, color=BLUE, label="curvature of the run")
    ax.semilogy(t, bound.theoretical, color=ORANGE, linestyle="--", label=r"$(C/n)\,\min_i |1 - r_i/y_i|$")
    ax.set(xlabel="time t", ylabel="PL curvature")


def corollary_1(ax):
    """The share of draws that interact weakly rises around one value of d/n^2."""
    ratios = np.geomspace(1, 32, 8)
    for n, colour, style in ((6, BLUE, "-"), (12, ORANGE, "--"), (24, GREEN, "-.")):
        shares = [
            np.mean([tw.data.sphere(n, int(c * n**2), seed=k).coherence.weakly_interacting for k in range(40)])
            for c in ratios
        ]
        ax.semilogx(ratios, shares, style, color=colour, marker="o", markersize=3, label=f"n = {n}")
    ax.set(xlabel="$d/n^2$", ylabel="share of 40 draws that interact weakly")


def theorem_a(ax):
    """Every delta gives a valid rate; the best is taken. More samples leave less room for delta."""
    for n, colour, style in ((8, BLUE, "-"), (14, ORANGE, "--"), (20, GREEN, "-.")):
        data, network = tw.data.sphere(n, 5000, seed=1), tw.init.dominated(5000, 30, seed=4)
        facts = ShallowSetting(data, network=network).interactions
        z, R = network.preactivations(data.X), float(np.linalg.norm(network.residuals(data)))
        h_plus, base = weak_interaction.pulls(z, network.a, network.invariant, data.y, data.norms)
        top = weak_interaction.largest_delta(data.y, R, facts.row_norms, facts.kappa)
        delta = np.linspace(0, top, 202)[1:-1]
        rest = (facts.kappa, data.norms, facts.operator_norm, h_plus, base)
        least = weak_interaction.activity(delta, data.y, R, *rest).min(axis=1)
        ax.semilogy(delta, 2 / n * facts.lambda_min * least, style, color=colour, label=f"n = {n}, d = 5000")
    ax.set(xlabel=r"$\delta$", ylabel="guaranteed rate")


def theorem_a0(ax):
    """The same rule, met at the start: sound for independent inputs, unsound for two inputs on a line."""
    cases = (
        ([[1.0, 0.6], [2.0, 0.0]], GREEN, "-", "independent inputs"),
        ([[1.0, 0.0], [2.0, 0.0]], ORANGE, "--", "inputs on a line"),
    )
    for X, colour, style, label in cases:
        data = tw.Dataset(X, [1.5, 2.0])
        traj = run(tw.ShallowNetwork([[1.0, 0.0]], [1.0]), data, 60.0)
        ax.semilogy(traj.t, traj.loss, style, color=colour, label=label)
    ax.axhline(1.5**2 / 4, color=GREY, linestyle=":", label=r"$\min_i y_i^2/(2n)$")
    ax.set(xlabel="time t", ylabel="loss", ylim=(1e-6, 2))


def orthogonal_inputs(ax):
    """The curvature between its bounds, from near 1/n towards 1/sqrt(n) and back."""
    data = tw.data.orthogonal(100, seed=1)
    traj = run(tw.init.dominated(100, 40, scale=0.01, seed=3), data, 600.0, stop=tw.LossBelow(1e-10))
    low, high = OrthogonalInputs().compare(traj)
    ax.loglog(traj.t[1:], high.theoretical[1:], ":", color=GREY, label=r"$(4/n)\max |x_i|^2 S_i$")
    ax.loglog(traj.t[1:], low.computed[1:], color=BLUE, label="curvature of the run")
    ax.loglog(traj.t[1:], low.theoretical[1:], "--", color=ORANGE, label=r"$(2/n)\min |x_i|^2 S_i$")
    ax.set(xlabel="time t", ylabel="PL curvature")


def group_initialization(ax):
    """The smaller the start, the sharper the transition, in units of its time."""
    n, D = 16, 4 * 1.5
    ax.axhspan(0.1, 0.9, color=GREY, alpha=0.15, linewidth=0)
    for scale, colour, style in ((1e-1, BLUE, "-"), (1e-3, ORANGE, "--"), (1e-6, GREEN, "-.")):
        time, width = transition_time(D, n, scale**2, 1.0, D), relative_width(scale**2, D)
        t = np.linspace(0, 2, 200)
        share = (1 - squared_weight(D * t * time / n, scale**2, 1.0, D) / D) ** 2
        ax.plot(t, share, style, color=colour, label=f"|w| = {scale:g}: relative width {width:.2f}")
    ax.set(xlabel="time over the transition time t*", ylabel="loss over that of output 0")


def leaky_relu(ax):
    """Two leaky neurons fit eight independent inputs, no slower than the bound."""
    data = tw.data.sphere(8, 30, seed=1)
    for slope, colour in ((0.5, BLUE), (0.2, ORANGE)):
        network = tw.init.dominated(30, 2, seed=2, activation="leaky_relu", slope=slope)
        finding = tw.check("leaky-relu", data=data, network=network)["leaky-relu"]
        traj = run(network, data, 2000.0, stop=tw.LossBelow(1e-9))
        ax.loglog(traj.t[1:], traj.curvature[1:], color=colour, label=rf"slope {slope:g}: curvature")
        ax.axhline(finding["rate"], color=colour, linestyle="--", label=f"slope {slope:g}: bound")
    ax.set(xlabel="time t", ylabel="PL curvature")


def coverage_(ax):
    """The union bound, the exact probability for independent signs, and draws."""
    data, widths = tw.data.orthogonal(30, seed=1), np.arange(6, 32)
    positive, negative = ShallowSetting(data, 1).signs
    ax.plot(widths, [coverage.union_bound(30, p) for p in widths], "--", color=ORANGE, label="union bound")
    ax.plot(widths, [coverage.exact(positive, negative, p) for p in widths], color=BLUE, label="exact")
    some = widths[::4]
    shares = [np.mean(ShallowSetting(data, int(p), draws=400).starts.covered == 30) for p in some]
    ax.plot(some, shares, "o", color=GREEN, markersize=4, label="share of 400 draws")
    ax.axhline(0.95, color=GREY, linestyle=":")
    ax.axvline(coverage.paper_width(30, 0.05), color=GREY, linestyle="-.", label="4 log(n/0.05)")
    ax.set(xlabel="width p", ylabel="probability of coverage, n = 30")


def curvature_bounds(ax):
    """Both bounds on a run in which pairs slide."""
    traj = run(tw.init.dominated(18, 6, seed=1), tw.data.sphere(16, 18, seed=1), 100.0)
    low, high, _ = CurvatureBounds().compare(traj)
    ax.loglog(traj.t[1:], high.theoretical[1:], ":", color=GREY, label="upper bound")
    ax.loglog(traj.t[1:], low.computed[1:], color=BLUE, label="curvature of the run")
    positive = np.where(low.theoretical > 0, low.theoretical, np.nan)
    ax.loglog(traj.t[1:], positive[1:], "--", color=ORANGE, label="lower bound (where above 0)")
    ax.set(xlabel="time t", ylabel="PL curvature")


def counterexample(ax):
    """The start of the counterexample, and the same start with a_1 = 2.1."""
    network, data = tw.init.counterexample()
    for first, colour, style, label in ((0.1, ORANGE, "-", "not dominated"), (2.1, GREEN, "--", "dominated")):
        traj = run(network.replace(a=[first, -2.0]), data, 12.0, stop=tw.LossBelow(1e-8))
        ax.semilogy(traj.t, traj.loss, style, color=colour, label=rf"$a_1 = {first:g}$, {label}")
    ax.axhline(0.25, color=GREY, linestyle=":", label="1/4")
    ax.set(xlabel="time t", ylabel="loss", ylim=(1e-6, 10))


def gaussian_target(d, seed=1):
    """A target with normal entries of variance 1/d."""
    return tw.Target(np.random.default_rng(seed).normal(size=(d, d)) / np.sqrt(d))


def zas_flow(ax):
    """Deeper is faster; the bound is the same at every depth."""
    target, t = gaussian_target(5), np.linspace(0, 6, 200)
    for depth, colour, style in ((3, BLUE, "-"), (30, ORANGE, "--"), (300, GREEN, "-.")):
        traj = flow_deep_linear(tw.init.zas(depth, 5), target, t_end=6.0, times=t)
        ax.semilogy(traj.t, traj.excess / traj.excess[0], style, color=colour, label=f"L = {depth}")
    ax.semilogy(t, np.exp(-2 * t), ":", color=GREY, label="exp(-2t)")
    ax.set(xlabel="time t", ylabel="loss over its first", ylim=(1e-12, 2))


def zas_any_layer(ax):
    """The place of the zero layer makes no difference, the size of the others does."""
    target, t = gaussian_target(4), np.linspace(0, 5, 26)
    for alpha, colour in ((0.9, BLUE), (1.0, ORANGE), (1.1, GREEN)):
        for place, marker, size in ((1, "o", 6), (5, "x", 5), (10, ".", 3)):
            start = tw.init.zas(10, 4, alpha=alpha, zero_layer=place)
            traj = flow_deep_linear(start, target, t_end=5.0, times=t)
            label = rf"$\alpha = {alpha:g}$, zero layer {place}" if alpha == 1.0 else rf"$\alpha = {alpha:g}$"
            shown = label if place == 1 or alpha == 1.0 else None
            ax.semilogy(
                t, traj.excess / traj.excess[0], marker, markersize=size, color=colour, label=shown, fillstyle="none"
            )
        ax.semilogy(t, np.exp(-2 * alpha**18 * t), ":", color=colour)
    ax.set(xlabel="time t (dotted: bounds)", ylabel="loss over its first", ylim=(1e-14, 2), xlim=(0, 7))


def small_last_layer(ax):
    """Towards minus the identity: the plateau grows with beta, and at 1 it is for ever."""
    target, t = tw.Target(-np.eye(2)), np.linspace(0, 3, 240)
    for beta, colour, style in ((0.0, BLUE, "-"), (0.1, ORANGE, "--"), (0.3, GREEN, "-."), (1.0, GREY, ":")):
        traj = flow_deep_linear(tw.init.zas(30, 2, beta=beta), target, t_end=3.0, times=t)
        ax.semilogy(traj.t, traj.excess, style, color=colour, label=rf"$\beta = {beta:g}$")
    ax.set(xlabel="time t, L = 30", ylabel="loss", ylim=(1e-8, 10))


def rectangular_data(ax):
    """A regression with three inputs and hidden layers of width 6."""
    rng, t = np.random.default_rng(1), np.linspace(0, 6, 120)
    X = rng.normal(size=(30, 3)) * [1.0, 0.7, 1.5]
    target = tw.Target.regression(X, X @ rng.normal(size=(3, 2)) + 0.1 * rng.normal(size=(30, 2)))
    for depth, colour, style in ((3, BLUE, "-"), (12, ORANGE, "--")):
        layers = [np.eye(6, 3), np.eye(6), np.zeros((2, 6))]
        start = tw.DeepLinearNetwork(layers, repeats=[1, depth - 2, 1])
        traj = flow_deep_linear(start, target, t_end=6.0, times=t)
        ax.semilogy(traj.t, traj.excess, style, color=colour, label=f"L = {depth}")
    bound = traj.excess[0] * np.exp(-2 * target.moment_range[0] * t)
    ax.semilogy(t, bound, ":", color=GREY, label=r"$\exp(-2\lambda t)$")
    ax.set(xlabel="time t", ylabel="loss above its floor", ylim=(1e-10, 10))


def zas_descent(ax):
    """Gradient descent at the largest step with a proof, and at a tenth of it."""
    target, start = gaussian_target(5), tw.init.zas(100, 5)
    for share, colour, style in ((1.0, BLUE, "-"), (0.1, ORANGE, "--")):
        step = share * tw.descent.safe_step(start, target)
        traj = tw.descend(start, target, step_size=step, steps=3000)
        ax.semilogy(traj.iteration, traj.excess, style, color=colour, label=rf"$\eta = {share:g}\,\eta^*$")
        ax.semilogy(traj.iteration, traj.bound, ":", color=colour, label="its bound")
    ax.set(xlabel="step k, L = 100", ylabel="loss")


def steps_to_fit(depth, norm=None):
    """Steps at eta* to 1e-10, with alpha = 1 or the larger identity for a bound of the norm."""
    target = tw.Target(np.diag([2.0, 1.5, 1.0, 0.5]))
    alpha = 1.0 if norm is None else tw.init.zas_alpha(depth, norm)
    stop = tw.LossBelow(1e-10 * target.excess(target.Phi))
    start = tw.init.zas(depth, 4, alpha=alpha)
    return target, int(tw.descend(start, target, step_size="safe", steps=10**6, stop=stop).iteration[-1])


def larger_identity(ax):
    """Steps against depth, with and without the larger identity."""
    depths = [3, 10, 100, 1000, 10**4, 10**5, 10**6]
    ax.loglog(depths, [steps_to_fit(L)[1] for L in depths], "o-", color=BLUE, label=r"$\alpha = 1$")
    ax.loglog(depths, [steps_to_fit(L, 2.0)[1] for L in depths], "s--", color=ORANGE, label="larger identity")
    ax.axhline(37, color=GREY, linestyle=":", label="37")
    ax.set(xlabel="depth L", ylabel=r"steps to $10^{-10}$")


def zas_descent_paper(ax):
    """What both theorems guarantee, and what is needed."""
    depths = [3, 10, 30, 100, 300, 1000]
    proved = {name: [] for name in ("zas-descent-paper", "zas-descent")}
    needed = []
    for depth in depths:
        target, taken = steps_to_fit(depth)
        report = tw.check("wu-wang-ma", target=target, depth=depth)
        needed.append(taken)
        for name, values in proved.items():
            values.append(report[name]["steps"])
    ax.loglog(depths, proved["zas-descent-paper"], "s--", color=ORANGE, label="guaranteed by the paper's theorem")
    ax.loglog(depths, proved["zas-descent"], "^-.", color=GREEN, label="guaranteed by the sharper theorem")
    ax.loglog(depths, needed, "o-", color=BLUE, label=r"needed at $\eta^*$")
    ax.set(xlabel="depth L", ylabel=r"steps to $10^{-10}$")


PICTURES = {
    "theorem-1": theorem_1,
    "corollary-1": corollary_1,
    "theorem-a": theorem_a,
    "theorem-a0": theorem_a0,
    "orthogonal-inputs": orthogonal_inputs,
    "group-initialization": group_initialization,
    "leaky-relu": leaky_relu,
    "coverage": coverage_,
    "curvature-bounds": curvature_bounds,
    "counterexample": counterexample,
    "zas-flow": zas_flow,
    "zas-any-layer": zas_any_layer,
    "small-last-layer": small_last_layer,
    "rectangular-data": rectangular_data,
    "zas-descent": zas_descent,
    "larger-identity": larger_identity,
    "zas-descent-paper": zas_descent_paper,
}


def main(folder: Path) -> None:
    """Draw all pictures into a folder."""
    matplotlib.rcParams.update({"svg.hashsalt": "thalweg", "svg.fonttype": "none", "font.size": 9})
    for name, draw in PICTURES.items():
        figure = Figure(figsize=(5.6, 3.2), layout="constrained")
        ax = figure.subplots()
        draw(ax)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize=8)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main(Path(__file__).parent)
