"""Files that are not what they should be: every reader gives an object that works, or one InputError of one line."""

import dataclasses
import io
import json
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import thalweg as tw
from thalweg.cli._matrix import read_matrix
from thalweg.study import Study, run_study, serial
from thalweg.study.chunk import Chunk

TABLE = b"height,weight,answer\n1.5,2,0.5\n3,4,-1\n"
SPEC = """
[study]
name = "small"
method = "flow"
[grid]
n = [3]
d = 20
p = 4
[trials]
repetitions = 1
seed = 1
[flow]
t_end = 1.0
[success]
loss_below = 0.1
"""


def bounded(examples):
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=checks)


class Planted:
    """A pickle of it leaves a mark where it is loaded."""

    mark = Path("unset")

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Sound files of every kind, as {file name: (bytes, reader)}."""
    folder = tmp_path_factory.mktemp("corpus")
    data, network = tw.data.sphere(3, 4, seed=1), tw.init.dominated(4, 3, seed=2)
    sparse, deep = tw.data.orthogonal(4, seed=1), tw.init.zas(3, 2)
    target = tw.Target(np.random.default_rng(1).normal(size=(2, 2)))
    smooth = tw.SmoothNetwork.of(network, "tanh")
    saved = {
        "run.npz": (tw.flow(network, data, t_end=1.0, times=[0.0, 0.5, 1.0]), tw.Trajectory.load),
        "sparse-run.npz": (tw.flow(network, sparse, t_end=1.0, times=[0.0, 1.0]), tw.Trajectory.load),
        "descent.npz": (tw.descend(network, data, step_size=0.1, steps=3), tw.DescentTrajectory.load),
        "linear.npz": (tw.flow(deep, target, t_end=1.0, times=[0.0, 1.0]), tw.LinearTrajectory.load),
        "steps.npz": (tw.descend(deep, target, step_size=0.1, steps=3), tw.LinearTrajectory.load),
        "smooth.npz": (
            tw.flow(smooth, data, t_end=1.0, times=[0.0, 1.0]),
            lambda path: tw.LossTrajectory.load(path, smooth),
        ),
        "network.npz": (network, tw.ShallowNetwork.load),
        "deep.npz": (deep, tw.DeepLinearNetwork.load),
        "data.npz": (data, tw.data.load),
        "sparse.npz": (sparse, tw.data.load),
        "proof.json": (tw.certify(network, data), tw.Certificate.load),
        "linear-proof.json": (tw.certify(deep, target), tw.Certificate.load),
    }
    files = {name: (value.save(folder / name).read_bytes(), reader) for name, (value, reader) in saved.items()}
    files["table.csv"] = TABLE, lambda path: tw.data.load(path, "answer")
    files["table.tsv"] = TABLE.replace(b",", b"\t"), lambda path: tw.data.load(path, "answer")
    np.save(folder / "matrix.npy", np.eye(2))
    np.savez(folder / "matrix.npz", Phi=np.eye(2))
    for name in ("matrix.npy", "matrix.npz"):
        files[name] = (folder / name).read_bytes(), lambda path: read_matrix("--target", path)
    files["matrix.csv"] = b"1,2\n3,4\n", lambda path: read_matrix("--target", path)
    files["study.toml"] = SPEC.encode(), Study.load
    run_study(Study.from_toml(SPEC), folder / "store", serial())
    (chunk,) = (folder / "store" / "chunks").iterdir()
    files[chunk.name] = chunk.read_bytes(), Chunk.load
    if find_spec("torch") is not None:
        import torch

        from thalweg.adapters.torch.checkpoint import read_checkpoint

        torch.save({"0.weight": torch.ones(3, 2), "2.weight": torch.ones(1, 3)}, folder / "weights.pt")
        files["weights.pt"] = (folder / "weights.pt").read_bytes(), read_checkpoint
    for name, (content, reader) in files.items():
        assert read(folder / name, content, reader), name
    return files


def read(path, content, reader):
    """Read a file and use what it holds; whether it was read, and not refused."""
    path.write_bytes(content)
    try:
        loaded = reader(path)
    except tw.InputError as error:
        said = str(error)
        loaded = None
    if loaded is None:
        assert 0 < len(said) < 2000
        return False
    assert repr(loaded)
    assert str(loaded)
    if isinstance(loaded, tw.Trajectory):
        for k in loaded.networks.kept:
            loaded.networks.mode_map(k)
        loaded.networks.start.loss(loaded.data)
        assert len(loaded.loss_bound) == len(loaded.average_curvature) == len(loaded.t)
    if isinstance(loaded, tw.Certificate):
        loaded.verify()
    return True


def bit_flips(content, rng):
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def npy(value):
    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=True)
    return stream.getvalue()


HUGE = npy(np.zeros(1)).replace(b"(1,)", b"(9999999999999,)").replace(b" " * 12 + b"\n", b"\n")
ODD_ARRAYS = [
    npy(value)
    for value in (
        3.0, np.zeros(0), np.zeros((0, 3)), np.zeros((3, 0)), [np.nan, 1.0], "x", ["a", "b"], [1 + 2j],
        np.ones((2, 2, 2)),
        np.uint64(2**63), [True], "[]", "null", '{"a": 1}', "[" * 100_000, np.array(["2020-01-01"], "M8[D]"),
        np.zeros(3, [("a", float)]), [-5, 7, 9], np.ones((3, 4)), np.ones(3), 1e300 * np.ones((4, 4)),
        np.arange(3) - 1, np.array([Planted()], object), b"x", np.float16(3), np.longdouble(2),
    )
]  # fmt: skip


def altered_member(content, rng):
    """Put something else in the place of an array in a zip file whose checksums then agree."""
    sound, stream = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    names = sound.namelist()
    victim, way = (
        rng.choice(names),
        rng.choice(["odd", "odd", "drop", "noise", "cut", "header", "rename", "words", "huge"]),
    )
    with zipfile.ZipFile(stream, "w", rng.choice([0, 8, 12, 14])) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        for name in names:
            body = sound.read(name)
            if name == victim:
                if way == "drop":
                    continue
                changes = {
                    "odd": lambda: rng.choice(ODD_ARRAYS),
                    "noise": lambda: rng.randbytes(rng.randrange(200)),
                    "cut": lambda body=body: body[: rng.randrange(len(body))],
                    "header": lambda body=body: bit_flips(body[:128], rng) + body[128:],
                    "huge": lambda: HUGE,
                }
                body = changes.get(way, lambda body=body: body)()
                name = rng.choice(names) if way == "rename" else name
            if way == "words" and name == "words.npy":
                body = npy(altered_json(str(np.load(io.BytesIO(sound.read(name)))), rng))
            file.writestr(name, body)
    return stream.getvalue()


def places(value, path=()):
    """Every place in nested lists and dicts."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from places(entry, (*path, key))


ODD_VALUES = [
    None,
    1,
    -1,
    0,
    "x",
    "infinity",
    [],
    {},
    [1, 2, 3],
    [1e9, 1e9],
    True,
    {"a": 1},
    1e308,
    2**70,
    [[]],
    2**53 - 1,
]


def altered_json(text, rng):
    value = json.loads(text)
    *path, last = rng.choice([place for place in places(value) if place])
    inside = value
    for key in path:
        inside = inside[key]
    if rng.random() < 0.2:
        del inside[last]
    else:
        inside[last] = rng.choice(ODD_VALUES)
    return json.dumps(value)


@bounded(500)
@given(st.randoms(use_true_random=False), st.data())
def test_broken_files_are_refused_in_one_line(corpus, tmp_path, rng, data):
    name = data.draw(st.sampled_from(sorted(corpus)))
    content, reader = corpus[name]
    way = data.draw(st.sampled_from(["flip", "cut", "noise", "splice", "alter", "alter"]))
    if way == "flip":
        content = bit_flips(content, rng)
    elif way == "cut":
        content = content[: rng.randrange(len(content))]
    elif way == "noise":
        content = content[: rng.choice([0, 8])] + rng.randbytes(rng.randrange(300))
    elif way == "splice":
        other = corpus[rng.choice(sorted(corpus))][0]
        content = content[: rng.randrange(len(content))] + other[rng.randrange(len(other)) :]
    elif name.endswith(".npz"):
        content = altered_member(content, rng)
    elif name.endswith(".json"):
        content = altered_json(content, rng).encode()
    else:
        content = bit_flips(bit_flips(content, rng), rng)
    read(tmp_path / name, content, reader)


def test_pickles_are_never_loaded(corpus, tmp_path, monkeypatch):
    """In the place of every array of every file, and of the files themselves."""
    import pickle

    monkeypatch.setattr(Planted, "mark", tmp_path / "mark")
    planted, bare = npy(np.array([Planted()], object)), pickle.dumps(Planted())
    for name, (content, reader) in corpus.items():
        assert not read(tmp_path / name, bare, reader), name
        if not name.endswith(".npz"):
            continue
        for victim in zipfile.ZipFile(io.BytesIO(content)).namelist():
            for body in (planted, bare):
                assert not read(tmp_path / name, replaced(content, victim, body), reader), (name, victim)
    assert not Planted.mark.exists()


def replaced(content, victim, body, compression=zipfile.ZIP_STORED):
    sound, stream = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name in sound.namelist():
            file.writestr(name, body if name == victim else sound.read(name))
    return stream.getvalue()


def test_arrays_that_are_huge_by_their_own_word_are_refused(corpus, tmp_path):
    for name, (content, reader) in corpus.items():
        if name.endswith(".npz"):
            victim = zipfile.ZipFile(io.BytesIO(content)).namelist()[-2:][0]
            assert not read(tmp_path / name, replaced(content, victim, HUGE), reader), name


def test_a_small_file_of_large_arrays_is_refused_by_its_shapes(corpus, tmp_path):
    """30 kB that unpack to 32 MB."""
    bomb = npy(np.zeros(4_000_000))
    for name in ("run.npz", "linear.npz", "descent.npz"):
        content, reader = corpus[name]
        packed = replaced(content, "curvature.npy", bomb, zipfile.ZIP_DEFLATED)
        assert len(packed) < 100_000
        assert not read(tmp_path / name, packed, reader)


@bounded(150)
@given(st.text(st.sampled_from('0123456789.,;\t\n\r" -+eEnaif\x00é'), max_size=60))
def test_tables_of_any_text_are_read_or_refused(tmp_path, text):
    for name in ("any.csv", "any.tsv"):
        read(tmp_path / name, f"a,b\tc\n{text}".encode(), lambda path: tw.data.load(path, "a"))
    read(tmp_path / "any-matrix.csv", text.encode(), lambda path: read_matrix("--target", path))


def test_a_chunk_whose_header_was_altered_is_refused(corpus, tmp_path):
    name = next(name for name in corpus if name.endswith(".chunk"))
    head, _, body = corpus[name][0].partition(b"\n")
    for key, value in {"seconds": "long", "version": 3, "seed": None, "memory": [], "cell": {}}.items():
        altered = json.dumps(json.loads(head) | {key: value}).encode() + b"\n" + body
        assert not read(tmp_path / name, altered, Chunk.load), key


def test_a_decided_certificate_without_its_reason_is_refused(tmp_path):
    network, data = tw.init.dominated(200, 12, seed=2), tw.data.sphere(5, 200, seed=1)
    certificate = dataclasses.replace(tw.certify(network, data), reasons=())
    certificate.save(tmp_path / "proof.json")
    with pytest.raises(tw.InputError, match="gives no reason"):
        tw.Certificate.load(tmp_path / "proof.json")
