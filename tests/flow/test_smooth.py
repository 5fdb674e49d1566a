"""Smooth activations: derivatives, the flow against SciPy in all coordinates, what is conserved, refusals."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import thalweg as tw
from thalweg.networks.smooth import ACTIVATIONS

POWERS = [("monomial", 2), ("monomial", 3), ("relu_power", 2), ("relu_power", 4)]
KINDS = [(name, None) for name in ACTIVATIONS] + POWERS


def problem(activation, degree, n=7, d=4, p=5):
    data, start = tw.data.sphere(n, d, seed=1), tw.init.dominated(d, p, seed=2)
    return tw.SmoothNetwork.of(start, activation, degree), data


def reference(network, data, times):
    """Loss and weights by DOP853 on all weights, gradients by hand."""
    p, d, n = network.p, network.d, data.n

    def field(_, y):
        W, a = y[: p * d].reshape(p, d), y[p * d :]
        s, slope = network.activate(W @ data.X.T)
        r = data.y - a @ s / p
        # d theta/dt = -p grad L, and grad_a L = -(1/np) s r
        return np.concatenate([((a[:, None] * slope * r) @ data.X / n).ravel(), s @ r / n])

    y0 = np.concatenate([network.W.ravel(), network.a])
    y = solve_ivp(field, (0, times[-1]), y0, t_eval=times, rtol=1e-11, atol=1e-12, method="DOP853").y.T
    runs = [
        tw.SmoothNetwork(each[: p * d].reshape(p, d), each[p * d :], network.activation, network.degree) for each in y
    ]
    return np.array([run.loss(data) for run in runs]), runs[-1]


@pytest.mark.parametrize(("activation", "degree"), KINDS)
def test_derivatives_are_those_of_the_values(activation, degree):
    network, _ = problem(activation, degree)
    z, h = np.linspace(-3, 3, 61) + 0.01, 1e-5
    slope = (network.activate(z + h)[0] - network.activate(z - h)[0]) / (2 * h)
    np.testing.assert_allclose(network.activate(z)[1], slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("activation", "degree"), KINDS)
@pytest.mark.parametrize("d", [4, 12])
def test_the_flow_agrees_with_one_in_all_coordinates(activation, degree, d):
    network, data = problem(activation, degree, d=d)
    times = np.array([0.5, 2.0, 6.0])
    traj = tw.flow(network, data, t_end=6.0, times=times, rtol=1e-9)
    loss, final = reference(network, data, times)
    np.testing.assert_allclose(traj.loss, loss, rtol=1e-6)
    np.testing.assert_allclose(traj.final.W, final.W, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(traj.final.a, final.a, rtol=1e-5)
    assert traj.audit.energy_drift < 1e-7
    assert traj.audit.largest_loss_increase == 0


@pytest.mark.parametrize(("activation", "degree"), KINDS)
def test_curvature_is_the_rate_of_the_loss(activation, degree):
    network, data = problem(activation, degree)
    times = np.array([1.0, 1.0 + 1e-4, 1.0 + 2e-4])
    traj = tw.flow(network, data, t_end=2.0, times=times, rtol=1e-11)
    rate = -(np.log(traj.loss[2]) - np.log(traj.loss[0])) / 2e-4
    assert traj.curvature[1] == pytest.approx(rate, rel=1e-4)


@pytest.mark.parametrize(("activation", "degree"), POWERS)
def test_homogeneous_activations_conserve_the_balance_up_to_the_constant(activation, degree):
    network, data = problem(activation, degree, d=12)
    drifts = [tw.flow(network, data, t_end=8.0, rtol=rtol).audit.balance_drift for rtol in (1e-5, 1e-9)]
    assert drifts[1] < 1e-8
    assert drifts[0] < 1e-3
    final = tw.flow(network, data, t_end=8.0, rtol=1e-9).final
    np.testing.assert_allclose(final.invariant, network.invariant, rtol=1e-6, atol=1e-8)
    wrong = final.a**2 - (final.W**2).sum(1) - (network.a**2 - (network.W**2).sum(1))  # the ReLU's is not conserved
    assert np.abs(wrong).max() > 1e-2
    assert tw.flow(problem("tanh", None)[0], data=problem("tanh", None)[1], t_end=1.0).audit.balance_drift is None


def test_squares_have_a_closed_form():
    """One neuron, one sample, x = 1, z^2: w^2 = 2 a^2 at the start holds for ever, and da/dt is explicit."""
    a0 = 0.3
    network = tw.SmoothNetwork([[np.sqrt(2) * a0]], [a0], "monomial", degree=2)
    data = tw.Dataset([[1.0]], [1.0])
    traj = tw.flow(network, data, t_end=3.0, times=[3.0], rtol=1e-10)
    # da/dt = 2 a^2 (1 - 2 a^3): t = int da/(2 a^2 (1 - 2 a^3))
    from scipy.integrate import quad

    t, _ = quad(lambda a: 1 / (2 * a * a * (1 - 2 * a**3)), a0, float(traj.final.a[0]), epsabs=1e-12)
    assert t == pytest.approx(3.0, rel=1e-7)


def test_stops_outputs_and_files(tmp_path):
    network, data = problem("tanh", None)
    traj = tw.flow(network, data, t_end=1e3, stop=tw.LossBelow(1e-4))
    assert traj.outcome.name == "LOSS_BELOW"
    assert traj.loss[-1] <= 1e-4 < traj.loss[-2]
    assert traj.t[0] == 0
    seen = []
    tw.flow(
        network,
        data,
        t_end=1.0,
        stop=lambda state: seen.append((state.network().loss(data), state.loss, state.residuals)),
    )
    for own, told, r in seen:
        assert own == pytest.approx(told, rel=1e-12)
        assert told == pytest.approx(r @ r / (2 * data.n), rel=1e-12)
    again = tw.LossTrajectory.load(traj.save(tmp_path / "run.npz"), like=network)
    np.testing.assert_array_equal(again.final.W, traj.final.W)
    assert (again.final.activation, again.audit, str(again)) == ("tanh", traj.audit, str(traj))
    on = tw.flow(traj.final, data, t_end=1.0)
    assert on.loss[0] == pytest.approx(traj.loss[-1], rel=1e-9)
    assert "balance drift" in str(tw.flow(*problem("monomial", 3), t_end=0.1))


def test_a_flow_that_leaves_the_range_of_floats_ends_with_what_it_has():
    network = tw.SmoothNetwork([[1e20]], [1e20], "monomial", degree=9)
    with pytest.raises(tw.InputError, match="overflows"):
        tw.flow(network, tw.Dataset([[1.0]], [1.0]), t_end=1.0)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([[1.0]], [1.0], "relu"), "'activation'"),
        (([[1.0]], [1.0], "monomial"), "'degree'"),
        (([[1.0]], [1.0], "monomial", 1), "'degree'"),
        (([[1.0]], [1.0], "tanh", 2), "'degree'"),
        (([[np.nan]], [1.0], "tanh"), "'W' parameter of SmoothNetwork"),
        (([[1.0]], [1.0, 2.0], "tanh"), "'a' parameter of SmoothNetwork"),
    ],
)
def test_bad_networks_are_refused(arguments, word):
    with pytest.raises(tw.InputError, match=word):
        tw.SmoothNetwork(*arguments)
    with pytest.raises(tw.InputError, match=r"'network' parameter of SmoothNetwork.of must be a ShallowNetwork"):
        tw.SmoothNetwork.of(tw.init.zas(2, 2), "tanh")


def test_bad_flows_and_other_verbs_are_refused():
    network, data = problem("tanh", None)
    other = tw.data.sphere(3, 9, seed=1)
    for call, word in (
        (lambda: tw.flow(network, other, t_end=1.0), "9 inputs"),
        (lambda: tw.flow(network, network, t_end=1.0), "'data'"),
        (lambda: tw.flow(network, data, t_end=-1.0), "'t_end'"),
        (lambda: tw.flow(network, data, t_end=1.0, rtol=1.0), "'rtol'"),
        (lambda: tw.flow(network, data, t_end=1.0, stop=tw.LossBelow(1e-9) | tw.Certified()), "leave out Certified"),
        (lambda: tw.certify(network, data), "ShallowNetwork"),
        (lambda: tw.descend(network, data, step_size=1.0, steps=1), "ShallowNetwork"),
    ):
        with pytest.raises(tw.InputError, match=word):
            call()
