"""Certificates in files."""

import base64
import json

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from thalweg.certify import Certificate

EYE = np.eye(2)
FIGURES = ("verdict", "test", "rate", "radius", "loss", "limit_loss", "loss_floor", "slack", "reasons")


def converging():
    return tw.certify(tw.init.dominated(200, 12, seed=2), tw.data.sphere(6, 200, seed=1))


def sparse():
    return tw.certify(tw.init.dominated(50, 30, seed=5), tw.data.orthogonal(50, seed=3))


def stuck():
    return tw.certify(tw.ShallowNetwork([[1.0, -1.0]], [1.5]), tw.Dataset(EYE, [1.6, 1.0]))


def dead():
    return tw.certify(tw.ShallowNetwork([[1.0, 1.0], [-1.0, -1.0]], [2.0, -2.0]), tw.Dataset(EYE, [1.0, -1.0]))


def undecided():
    return tw.certify(tw.ShallowNetwork([[0.3, 2.0], [-1.0, 0.5]], [0.1, -2.0]), tw.Dataset(EYE, [1.0, -4.0]))


def leaky():
    network = tw.ShallowNetwork([[0.3, 2.0], [-1.0, 0.5]], [0.1, -9.0], "leaky_relu", 0.1)
    return tw.certify(network, tw.Dataset(EYE, [1.0, -4.0], name="two points"))


MADE = {"A": converging, "A, sparse": sparse, "N": stuck, "N1": dead, "": undecided, "leaky": leaky}


def bits(array):
    return array.shape, array.dtype, array.tobytes()


@pytest.mark.parametrize("kind", MADE)
def test_a_certificate_comes_back_bit_for_bit(kind, tmp_path):
    made = MADE[kind]()
    assert made.test == kind.split(",")[0]
    path = made.save(tmp_path / "certificate.json")
    back = Certificate.load(path)
    for name in FIGURES:
        assert getattr(back, name) == getattr(made, name)
        assert type(getattr(back, name)) is type(getattr(made, name)) or name == "slack"
    assert bits(back.stuck) == bits(made.stuck)
    assert {key: list(values) for key, values in made.witness.items()} == back.witness
    for name in ("W", "a", "invariant"):
        assert bits(getattr(back.network, name)) == bits(getattr(made.network, name))
    assert (back.network.activation, back.network.slope) == (made.network.activation, made.network.slope)
    assert bits(back.data.y) == bits(made.data.y)
    assert back.data.name == made.data.name
    assert back.data.is_sparse == made.data.is_sparse
    X, Y = made.data.X, back.data.X
    if made.data.is_sparse:
        assert (X.data.tobytes(), X.indices.tolist(), X.indptr.tolist(), X.shape) == (
            *(Y.data.tobytes(), Y.indices.tolist(), Y.indptr.tolist(), Y.shape),
        )
    else:
        assert bits(X) == bits(Y)
    assert back.verify() == made.verify() == made.decided


TARGET = tw.Target(np.diag([0.01, 0.005]))
REGRESSION = tw.Target.regression(np.random.default_rng(1).normal(size=(9, 3)), np.arange(9.0), name="ages")


def near():
    start, target = tw.init.perturbed(tw.init.zas(4, 3), 0.7, seed=1), tw.Target(np.diag([1.0, -2.0, 1.5]))
    return tw.certify(tw.flow(start, target, t_end=100.0, stop=tw.LossBelow(1e-7)).final, target)


LINEAR = {
    "A": lambda: tw.certify(tw.init.zas(1000, (3, 1)), REGRESSION),
    "B": near,
    "C": lambda: tw.certify(tw.init.zas(3, 2), TARGET, step_size=0.1),
    "": lambda: tw.certify(tw.init.near_identity(10, 2, scale=0.0), tw.Target(-np.eye(2))),
}


@pytest.mark.parametrize("kind", LINEAR)
def test_certificates_of_deep_linear_networks_come_back_bit_for_bit(kind, tmp_path):
    made = LINEAR[kind]()
    assert made.test == kind
    back = Certificate.load(made.save(tmp_path / "certificate.json"))
    for name in FIGURES:
        assert getattr(back, name) == getattr(made, name)
    assert bits(back.stuck) == bits(made.stuck)
    assert {key: list(values) for key, values in made.witness.items()} == back.witness
    assert ("step_size" in back.witness) == (kind == "C")
    assert [count for _, count in back.network.runs] == [count for _, count in made.network.runs]
    for one, other in zip(back.network.runs, made.network.runs, strict=True):
        assert bits(one[0]) == bits(other[0])
    for name in ("Phi", "second_moment"):
        assert bits(getattr(back.data, name)) == bits(getattr(made.data, name))
    assert (back.data.floor, back.data.name) == (made.data.floor, made.data.name)
    assert back.explain() == made.explain()
    assert back.verify() == made.verify() == made.decided


@given(st.lists(st.floats(-1e100, 1e100), min_size=4, max_size=4), st.floats(allow_nan=False))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_every_float_survives(tmp_path_factory, numbers, figure):
    made = stuck()
    network = tw.ShallowNetwork([numbers[:2]], numbers[2:3])
    data = tw.Dataset(EYE * 0.1, [numbers[3], -0.0])
    fields = {name: getattr(made, name) for name in FIGURES} | {"radius": figure, "slack": -figure}
    path = tmp_path_factory.mktemp("floats") / "c.json"
    Certificate(**fields, stuck=made.stuck, network=network, data=data, witness={"delta": [figure]}).save(path)
    back = Certificate.load(path)
    assert bits(back.network.W) == bits(network.W)
    assert bits(back.data.y) == bits(data.y)
    assert np.array([back.radius, back.slack, *back.witness["delta"]]).tobytes() == (
        np.array([figure, -figure, figure]).tobytes()
    )


def test_the_file_is_strict_json(tmp_path):
    def refuse(word):
        raise AssertionError(word)

    path = dead().save(tmp_path / "c.json")
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert content["radius"] == "infinity"
    assert content["limit_loss"] is None


def test_saving_leaves_no_half_file(tmp_path):
    made = stuck()
    with pytest.raises(tw.InputError, match="existing folder"):
        made.save(tmp_path / "nowhere" / "c.json")
    path = made.save(tmp_path / "c.json")
    before = path.read_bytes()
    broken = Certificate(**{**vars(made), "rate": np.nan})
    with pytest.raises(ValueError, match="JSON"):
        broken.save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["c.json"]


def test_a_truncated_file_is_refused(tmp_path):
    path = stuck().save(tmp_path / "c.json")
    text = path.read_bytes()
    for length in range(0, len(text) - 2, 97):
        path.write_bytes(text[:length])
        with pytest.raises(tw.InputError, match="complete saved Certificate"):
            Certificate.load(path)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"[]", b"3", b"{}", b'{"format": "thalweg-trajectory-1"}', b"[" * 100_000, b"\x80\x04K\x01."],
    ids=lambda content: repr(content[:12]),
)
def test_another_kind_of_file_is_refused(content, tmp_path):
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(tw.InputError, match="saved Certificate"):
        Certificate.load(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(tw.InputError, match="no file"):
        Certificate.load(tmp_path / "c.json")
    with pytest.raises(tw.InputError, match="saved Certificate"):
        Certificate.load(tmp_path)


def encoded(numbers, shape=None):
    array = np.array(numbers, "<f8")
    content = base64.b64encode(array.tobytes()).decode()
    return {"shape": list(array.shape if shape is None else shape), "type": "<f8", "base64": content}


def indices(numbers):
    content = base64.b64encode(np.array(numbers, "<i8").tobytes()).decode()
    return {"shape": [len(numbers)], "type": "<i8", "base64": content}


def csr(where, starts, shape=(2, 2)):
    entries = encoded([1.0] * len(where))
    return {"shape": list(shape), "data": entries, "indices": indices(where), "indptr": indices(starts)}


REPLACED = {
    "no version": {"version": None},
    "a later version": {"version": 2},
    "verdict": {"verdict": "proved"},
    "test": {"test": "Z"},
    "test list": {"test": ["A"]},
    "rate text": {"rate": "fast"},
    "rate null": {"rate": None},
    "rate true": {"rate": True},
    "rate huge": {"rate": 10**400},
    "stuck text": {"stuck": "01"},
    "stuck out of range": {"stuck": [2]},
    "stuck negative": {"stuck": [-1]},
    "stuck fraction": {"stuck": [0.5]},
    "reasons": {"reasons": [["A"]]},
    "reasons numbers": {"reasons": [[1, 2]]},
    "witness list": {"witness": [1.0]},
    "witness values": {"witness": {"delta": ["half"]}},
    "witness text": {"witness": {"delta": "12"}},
    "no network": {"network": None},
    "network list": {"network": []},
    "data text": {"data": "data"},
    "activation": {"network.activation": "tanh"},
    "activation list": {"network.activation": ["relu"]},
    "slope": {"network.slope": 0.5},
    "W shape": {"network.W": encoded([[1.0, 2.0, 3.0]])},
    "W one dimension": {"network.W": encoded([1.0, 2.0])},
    "W NaN": {"network.W": encoded([[1.0, np.nan]])},
    "W bytes": {"network.W": encoded([[1.0, -1.0]], (3, 2))},
    "W no bytes": {"network.W": encoded([[1.0, -1.0]], (0, 2))},
    "W negative shape": {"network.W": encoded([[1.0, -1.0]], (-1, -2))},
    "W base64": {"network.W.base64": "!!!!"},
    "W base64 cut": {"network.W.base64": "AAAAAAA"},
    "W base64 number": {"network.W.base64": 7},
    "W type": {"network.W.type": "|O"},
    "a too long": {"network.a": encoded([1.0, 2.0])},
    "invariant": {"network.invariant": encoded([7.0])},
    "y infinite": {"data.y": encoded([1.0, np.inf])},
    "y too short": {"data.y": encoded([1.0])},
    "X zero row": {"data.X": encoded([[1.0, 0.0], [0.0, 0.0]])},
    "X other width": {"data.X": encoded([[1.0], [2.0]])},
    "X text": {"data.X": "eye"},
    "X sparse column": {"data.X": csr([0, 2], [0, 1, 2])},
    "X sparse negative": {"data.X": csr([0, -1], [0, 1, 2])},
    "X sparse starts": {"data.X": csr([0, 1], [0, 3, 2])},
    "X sparse rows": {"data.X": csr([0, 1], [0, 1, 2], (3, 2))},
    "X sparse beyond": {"data.X": csr([0, 1], [0, 1, 9])},
    "X sparse huge": {"data.X": csr([0, 1], [0, 1, 2], (2, 10**12))},
    "name": {"data.name": 5},
}


REPLACED_LINEAR = {
    "verdict": {"verdict": "stuck"},
    "test": {"test": "N"},
    "stuck": {"stuck": [0]},
    "repeats text": {"network.repeats": "12"},
    "repeats zero": {"network.repeats": [2, 0]},
    "repeats negative": {"network.repeats": [2, -1]},
    "repeats true": {"network.repeats": [2, True]},
    "repeats fraction": {"network.repeats": [2, 1.5]},
    "repeats huge": {"network.repeats": [10**30, 1]},
    "repeats too few": {"network.repeats": [2]},
    "repeats missing": {"network": {"layers": [encoded([[1.0]])]}},
    "no layers": {"network.layers": [], "network.repeats": []},
    "layers number": {"network.layers": 3},
    "layers that do not fit": {"network.layers": [encoded(np.eye(2)), encoded(np.eye(3))]},
    "layer of one dimension": {"network.layers": [encoded(np.eye(2)), encoded([1.0, 2.0])]},
    "layer NaN": {"network.layers": [encoded(np.eye(2)), encoded([[1.0, np.nan], [0.0, 1.0]])]},
    "layer empty": {"network.layers": [encoded(np.eye(2)), encoded(np.zeros((0, 2)))]},
    "Phi shape": {"data.Phi": encoded(np.eye(2)[:1])},
    "Phi infinite": {"data.Phi": encoded([[1.0, np.inf], [0.0, 1.0]])},
    "moment shape": {"data.second_moment": encoded(np.eye(3))},
    "moment null": {"data.second_moment": None},
    "moment indefinite": {"data.second_moment": encoded(np.diag([1.0, -1.0]))},
    "moment not symmetric": {"data.second_moment": encoded([[1.0, 0.5], [0.0, 1.0]])},
    "floor negative": {"data.floor": -1.0},
    "floor null": {"data.floor": None},
    "floor infinite": {"data.floor": "infinity"},
    "name": {"data.name": 5},
    "data of a shallow network": {"data": {"name": "eye", "X": encoded(EYE), "y": encoded([1.0, 1.0])}},
}
BAD = [(stuck, changes) for changes in REPLACED.values()] + [(LINEAR["C"], each) for each in REPLACED_LINEAR.values()]


@pytest.mark.parametrize(("make", "changes"), BAD, ids=[*REPLACED, *(f"linear {name}" for name in REPLACED_LINEAR)])
def test_every_bad_entry_is_refused(make, changes, tmp_path):
    path = make().save(tmp_path / "c.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    for place, value in changes.items():
        *folders, last = place.split(".")
        target = content
        for folder in folders:
            target = target[folder]
        target[last] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(tw.InputError, match=r"c\.json"):
        Certificate.load(path)


def test_every_missing_entry_is_named(tmp_path):
    path = stuck().save(tmp_path / "c.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    for name in set(content) - {"format", "version"}:
        path.write_text(json.dumps({k: v for k, v in content.items() if k != name}), encoding="utf-8")
        with pytest.raises(tw.InputError, match=f"'{name}' is missing"):
            Certificate.load(path)


def test_nan_is_no_number(tmp_path):
    path = stuck().save(tmp_path / "c.json")
    path.write_text(path.read_text(encoding="utf-8").replace('"rate": ', '"rate": NaN, "was": '), encoding="utf-8")
    with pytest.raises(tw.InputError, match="NaN"):
        Certificate.load(path)


def test_a_sparse_file_without_order_is_put_in_order(tmp_path):
    """Entries of a row in any order, as scipy allows."""
    path = stuck().save(tmp_path / "c.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["data"]["X"] = csr([1, 0, 1], [0, 2, 3])
    path.write_text(json.dumps(content), encoding="utf-8")
    X = Certificate.load(path).data.X
    assert scipy.sparse.issparse(X)
    assert X.toarray().tolist() == [[1.0, 1.0], [0.0, 1.0]]
