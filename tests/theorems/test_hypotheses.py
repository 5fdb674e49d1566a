"""tw.check: verdicts, repairs that repair, refusals, and how it prints."""

import json
import math

import numpy as np
import pytest

import thalweg as tw
from thalweg.theorems import THEOREMS, ShallowSetting
from thalweg.theorems.conditions import supported

EASY = tw.data.sphere(8, 3000, seed=1)


def failed(report, name):
    return [each.name for each in report[name].failed]


def test_all_theorems_of_the_paper_run_on_easy_data():
    report = tw.check("dana-bach-pillaud-vivien", data=EASY, width=30, law="sphere", draws=120)
    assert report.converges
    ours = {each.name for each in THEOREMS if each.paper == "dana-bach-pillaud-vivien"}
    assert {each.theorem.name for each in report.findings} | set(report.silent) == ours
    for name in ("theorem-1", "theorem-a", "corollary-1", "coverage", "curvature-bounds"):
        assert report[name].holds, (name, report[name].failed)
    assert report["theorem-a"]["probability"] >= 0.95
    assert report["theorem-a"]["rate"] > 0
    assert report["theorem-a"]["time"] == pytest.approx(math.log(1e6) / report["theorem-a"]["rate"])
    assert report["theorem-a"].time_to_fall(100) == pytest.approx(report["theorem-a"]["time"] / 3)
    assert set(report.silent) == {"orthogonal-inputs", "group-initialization", "leaky-relu", "counterexample"}
    assert set(tw.check("theorem-a", data=EASY, width=30).to_dict()) == set(report.to_dict())


def test_the_verdict_agrees_with_fresh_draws():
    """At least 1 - epsilon of other draws satisfy the theorem with at least the rate promised."""
    report = tw.check("theorem-a", data=EASY, width=22, seed=1)
    assert report.converges
    rates = ShallowSetting(EASY, 22, draws=400, seed=77).starts.rate_a
    assert (rates >= report["theorem-a"]["rate"]).mean() >= 0.95
    assert (rates > 0).mean() >= report["theorem-a"]["probability"] - 0.01


def test_a_given_start_is_judged_itself():
    covered = uncovered = None
    for seed in range(60):
        network = tw.init.dominated(EASY.d, 9, seed=seed)
        z = network.preactivations(EASY.X)
        hit = [(z[:, i][network.a * y > 0] > 0).any() for i, y in enumerate(EASY.y)]
        if all(hit):
            covered = network
        else:
            uncovered = network
    good, bad = (tw.check("theorem-a", data=EASY, network=network) for network in (covered, uncovered))
    assert good.converges
    assert "from this start" in good.verdict
    assert good["theorem-a"]["probability"] == 1
    assert failed(bad, "theorem-a") == ["coverage"]
    assert not tw.check("theorem-a", data=EASY, width=9).converges  # too narrow for 0.95 over the law


def test_singular_data_satisfy_no_theorem():
    """|r| < min |y| does not suffice on the line: the run ends at a positive loss."""
    data = tw.Dataset([[1.0], [2.0]], [1.5, 2.0])
    network = tw.ShallowNetwork([[1.0]], [1.0])
    assert np.linalg.norm(network.residuals(data)) < 1.5
    report = tw.check(data=data, network=network)
    assert not report.converges
    assert failed(report, "theorem-a0") == ["independent inputs"]
    assert "independent inputs" in failed(report, "theorem-a")
    assert any("rank" in text for text in report.next_steps)
    assert not tw.check(data=tw.data.sphere(30, 10, seed=1), width=50).converges


def test_the_counterexample_is_recognised():
    network, data = tw.init.counterexample()
    report = tw.check(data=data, network=network)
    assert not report.converges
    assert failed(report, "theorem-a") == ["domination"]
    assert report["counterexample"].holds
    dominated = network.replace(a=[2.1, -2.0])
    other = tw.check(data=data, network=dominated)
    assert other.converges
    assert "counterexample" in other.silent
    assert tw.flow(dominated, data, t_end=60.0).loss[-1] < 1e-6


class TestRepairs:
    """Each recommended change, carried out, repairs."""

    def value(self, report, theorem, name):
        return next(each.value for each in report[theorem].repairs if each.hypothesis == name)

    def test_width(self):
        report = tw.check(data=EASY, width=5)
        assert not report.converges
        width = int(self.value(report, "coverage", "coverage"))
        assert tw.check("coverage", data=EASY, width=width)["coverage"].holds
        assert not tw.check("coverage", data=EASY, width=width - 1)["coverage"].holds
        width = int(self.value(report, "theorem-1", "width"))
        assert "width" not in failed(tw.check("theorem-1", data=EASY, width=width), "theorem-1")

    def test_exact_width_of_orthogonal_inputs(self):
        data = tw.data.orthogonal(30, seed=1)
        width = int(self.value(tw.check(data=data, width=3), "theorem-a", "coverage"))
        assert width == 22
        assert tw.check(data=data, width=width).converges
        assert not tw.check(data=data, width=width - 1).converges

    def test_scale(self):
        data = tw.data.sphere(8, 400, seed=2)
        loud = tw.init.dominated(400, 20, seed=3)
        loud = loud.replace(W=40 * loud.W, a=45 * loud.a)
        assert (loud.invariant > 0).all()
        report = tw.check("theorem-a", data=data, network=loud)
        assert failed(report, "theorem-a") == ["weak interaction"]
        scale = self.value(report, "theorem-a", "weak interaction")
        assert 0 < scale < 1
        quiet = tw.check("theorem-a", data=data, network=loud.replace(W=scale * loud.W))
        assert quiet.converges

    def test_fewer_samples(self):
        data = tw.data.sphere(40, 300, seed=3)
        kept = supported(data)
        assert 3 <= kept.size < 40
        fewer = tw.Dataset(data.X[kept], data.y[kept])
        assert fewer.coherence.weakly_interacting
        report = tw.check("theorem-a", data=data, width=40)
        assert any(f"keep the {kept.size} of 40" in each.change for each in report["theorem-a"].repairs)
        start = tw.init.dominated(300, 60, scale=1e-3, seed=1)
        assert tw.check("theorem-a", data=fewer, network=start).converges

    def test_common_direction(self):
        base = tw.data.equicorrelated(8, 900, 0.5, seed=1)
        data = tw.Dataset(base.X / base.norms[:, None], base.y)
        report = tw.check("theorem-a", data=data, width=40)
        (text,) = [each.change for each in report["theorem-a"].repairs if "uncorrelated" in each.change]
        assert "it holds" in text
        assert tw.check("theorem-a", data=data.uncorrelated(), width=40).converges
        assert "centre" not in str(report)

    def test_common_direction_where_it_cannot_be_taken_out(self):
        report = tw.check("theorem-a", data=tw.Dataset([[1.0], [2.0]], [1.5, 2.0]), width=9)
        assert not any("uncorrelated" in each.change for each in report["theorem-a"].repairs)

    def test_domination(self):
        report = tw.check("theorem-a", data=EASY, width=30, init="gaussian")
        assert "domination" in failed(report, "theorem-a")
        assert any("dominated" in text for text in report.next_steps)
        assert tw.check("theorem-a", data=EASY, width=30, init="balanced").converges

    def test_balance_meant_exactly(self):
        network = tw.init.balanced(EASY.d, 40, seed=4)
        rounded = network.replace()
        assert (rounded.invariant < 0).any()
        report = tw.check("theorem-a", data=EASY, network=rounded)
        assert failed(report, "theorem-a") == ["domination"]
        assert any("invariant=zeros" in text for text in report.next_steps)
        exact = network.replace(invariant=np.zeros(40))
        assert tw.check("theorem-a", data=EASY, network=exact).converges

    def test_labels(self):
        y = EASY.y.copy()
        y[2] = 0
        report = tw.check(data=tw.Dataset(EASY.X, y), width=30)
        assert "labels" in failed(report, "theorem-a")
        assert self.value(report, "theorem-a0", "labels") == 1
        assert self.value(report, "theorem-a", "labels") == 1
        kept = y != 0
        assert tw.check(data=tw.Dataset(EASY.X[kept], y[kept]), width=30).converges

    def test_flow_first(self):
        data, start = tw.data.sphere(6, 12, seed=3), tw.init.dominated(12, 20, seed=1)
        report = tw.check("theorem-a0", data=data, network=start)
        level = self.value(report, "theorem-a0", "small residual")
        traj = tw.flow(start, data, t_end=1e3, stop=tw.LossBelow(0.99 * level))
        assert tw.check("theorem-a0", data=data, network=traj.final).converges

    def test_draws(self):
        report = tw.check("theorem-a", data=EASY, width=40, draws=20)
        assert not report.converges
        count = int(self.value(report, "theorem-a", "weak interaction"))
        assert tw.check("theorem-a", data=EASY, width=40, draws=count).converges


def test_orthogonal_inputs_need_no_draws_for_convergence():
    report = tw.check("orthogonal-inputs", data=tw.data.orthogonal(200, seed=1), width=60, epsilon=1e-4, draws=5)
    finding = report["orthogonal-inputs"]
    assert finding.converges
    assert finding["probability"] > 1 - 1e-4
    assert "rate" not in [each.name for each in finding.guarantees]  # that would


@pytest.mark.parametrize("init", ["dominated", "gaussian"])
def test_leaky_networks_converge_at_every_width(init):
    data = tw.data.sphere(10, 30, seed=1)
    width = 3 if init == "dominated" else 20
    report = tw.check(data=data, width=width, init=init, activation="leaky_relu", slope=0.2)
    assert report.converges
    assert [each.theorem.name for each in report.findings] == ["leaky-relu"]
    balanced = tw.check(data=data, width=3, init="balanced", activation="leaky_relu", slope=0.2)
    assert failed(balanced, "leaky-relu") == ["surplus"]


def test_the_law_of_the_data_may_be_a_function():
    def law(n, d, *, seed):
        return tw.data.equicorrelated(n, d, 0.9, seed=seed)

    few = {"data": tw.data.sphere(5, 1500, seed=1), "width": 30, "draws": 100}
    assert tw.check("corollary-1", law=tw.data.sphere, **few).converges
    assert not tw.check("corollary-1", law=law, **few).converges
    data = tw.data.orthogonal(6, seed=1)
    assert tw.check("corollary-1", law="orthogonal", data=data, width=30, draws=100).converges
    with pytest.raises(tw.InputError, match="'law' parameter of check must return a Dataset of 5 samples"):
        tw.check("corollary-1", law=lambda n, d, seed: tw.data.sphere(n + 1, d, seed=seed), **few)


def test_a_theorem_with_nothing_to_say_says_so():
    report = tw.check("leaky-relu", data=EASY, width=30)
    assert report.findings == ()
    assert not report.converges
    assert report.verdict == "no theorem asked for has anything to say here"
    assert "leaky-relu, as the activation is the ReLU" in str(report)


@pytest.mark.parametrize("epsilon", [1e-12, 0.999])
@pytest.mark.parametrize(("n", "d", "width"), [(1, 1, 1), (1, 3, 40), (3, 1, 2)])
def test_extreme_problems_have_a_report(n, d, width, epsilon):
    report = tw.check(data=tw.data.sphere(n, d, seed=1), width=width, epsilon=epsilon, draws=20)
    assert json.dumps(report.to_dict())
    assert str(report)
    if n > d:
        assert not report.converges


def test_a_small_epsilon_does_not_draw_for_ever():
    setting = ShallowSetting(tw.data.sphere(2, 3, seed=1), 4, epsilon=1e-12)
    assert setting.draw_count == 5000
    assert setting.too_few_draws


def test_draws_are_fixed_by_the_seed():
    one, same, other = (tw.check("theorem-a", data=EASY, width=30, seed=seed).to_dict() for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_a_sparse_copy_is_judged_alike():
    from scipy.sparse import csr_array

    sparse = tw.Dataset(csr_array(EASY.X), EASY.y, EASY.name)
    dense, other = (tw.check(data=data, width=30, draws=100) for data in (EASY, sparse))
    for name in ("theorem-1", "theorem-a", "coverage"):
        ours, theirs = dense[name], other[name]
        np.testing.assert_allclose([h.value for h in ours.hypotheses], [h.value for h in theirs.hypotheses], rtol=1e-9)
        np.testing.assert_allclose([g.value for g in ours.guarantees], [g.value for g in theirs.guarantees], rtol=1e-9)


@pytest.mark.parametrize("width", [5, 30])
def test_the_report_prints_verdict_first_and_exports(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    data = tw.Dataset(EASY.X, EASY.y, "<b>odd & ends</b> [red]")
    report = tw.check(data=data, width=width)
    lines = str(report).splitlines()
    assert lines[0].startswith("problem   <b>odd & ends</b> [red]: 8 samples x 3000 inputs")
    shown = next(k for k, line in enumerate(lines) if line.startswith("verdict"))
    # A long verdict goes on in the lines below.
    assert "".join(report.verdict.split()) in "".join("".join(lines[shown : shown + 4]).split())
    assert max(map(len, lines)) <= 110
    places = [next(k for k, line in enumerate(lines) if line.startswith(word)) for word in ("verdict", "next")]
    assert places == sorted(places)
    assert "holds by" in str(report)
    assert "FAILS by" in str(report)
    page = report._repr_html_()
    assert "&lt;b&gt;odd &amp; ends" in page
    assert report.verdict in page.replace("&gt;", ">").replace("&#x27;", "'")
    stored = json.loads(json.dumps(report.to_dict()))
    assert stored["converges"] == report.converges == (width == 30)
    assert [each["theorem"] for each in stored["theorems"]] == [each.theorem.name for each in report.findings]
    hypothesis = stored["theorems"][0]["hypotheses"][0]
    assert set(hypothesis) == {"name", "number", "value", "relation", "threshold", "meaning", "margin", "holds"}
    assert repr(report) == f"Report({report.verdict})"


def test_statements_and_sources_are_there_for_every_theorem():
    for theorem in THEOREMS:
        assert len(theorem.statement) > 100
        assert theorem.source
    assert len({theorem.name for theorem in THEOREMS}) == len(THEOREMS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"theorem": "theorem-9"}, "'theorem' parameter of check must be one of 'dana-bach-pillaud-vivien'"),
        ({"data": None}, "'data' parameter of check must be given"),
        ({"data": np.eye(3)}, "must be a Dataset .* Got ndarray"),
        ({"width": None}, "'width' parameter of check must be given"),
        ({"width": 0}, "'width' parameter of check must be an integer of at least 1. Got 0"),
        ({"width": 2.5}, "integer of at least 1. Got 2.5"),
        ({"epsilon": 0.0}, "'epsilon' parameter of check"),
        ({"epsilon": 1.0}, "'epsilon' parameter of check"),
        ({"epsilon": math.nan}, "'epsilon' parameter of check"),
        ({"init": "xavier"}, "'init' parameter of check must be one of 'dominated', 'balanced', 'gaussian'"),
        ({"law": "cauchy"}, "'law' parameter of check must be one of 'sphere', 'orthogonal'"),
        ({"law": 3}, "'law' parameter of check must be 'sphere', 'orthogonal' or a function"),
        ({"draws": 0}, "'draws' parameter of check"),
        ({"seed": -1}, "'seed' parameter of check"),
        ({"seed": None}, "'seed' parameter of check"),
        ({"slope": 0.5}, "slope"),
        ({"network": 5}, "'network' parameter of check must be a ShallowNetwork. Got int"),
        ({"network": tw.init.dominated(7, 30, seed=1)}, "must have 3000 inputs, as the data have. Got d = 7"),
        ({"network": tw.init.dominated(3000, 4, seed=1)}, "'width' parameter .* left out, or that of the network, 4"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    call = {"theorem": None, "data": EASY, "width": 30} | arguments
    with pytest.raises(tw.InputError, match=message):
        tw.check(call.pop("theorem"), **call)
