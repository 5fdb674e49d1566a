"""Files: round trips, and every way in which a file can be wrong."""

import os

import numpy as np
import pytest
import scipy.sparse as sp

import thalweg as tw

TABLE = "age,weight,answer\n1.5,-2,0.5\n3,4e1,-1\n"


def write(folder, text, name="table.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("law", ["sphere", "orthogonal"])
def test_npz_round_trip_keeps_every_bit(tmp_path, law):
    data = tw.data.sphere(5, 4, seed=1) if law == "sphere" else tw.data.orthogonal(6, seed=1)
    back = tw.data.load(data.save(tmp_path / "data.npz"))
    assert back.name == data.name
    assert back.is_sparse == data.is_sparse
    assert back.y.tobytes() == data.y.tobytes()
    assert (back.X != data.X).sum() == 0
    assert os.listdir(tmp_path) == ["data.npz"]


def test_npz_of_the_user(tmp_path):
    np.savez(tmp_path / "mine.npz", X=np.eye(2, dtype=np.float32), y=[1, 2], relapse=[3, 4])
    assert tw.data.load(tmp_path / "mine.npz").y.tolist() == [1, 2]
    data = tw.data.load(str(tmp_path / "mine.npz"), target="relapse")
    assert (data.y.tolist(), data.name) == ([3, 4], "mine.npz")


@pytest.mark.parametrize(("name", "separator"), [("t.csv", ","), ("t.tsv", "\t"), ("T.CSV", ",")])
def test_table_round_trip(tmp_path, name, separator):
    data = tw.data.sphere(6, 3, seed=2)
    header = separator.join(["a", "label", "b", "c"])
    rows = [separator.join(repr(float(v)) for v in (x[0], y, x[1], x[2])) for x, y in zip(data.X, data.y, strict=True)]
    back = tw.data.load(write(tmp_path, "\n".join([header, *rows]), name), target="label")
    assert back.X.tobytes() == data.X.tobytes()
    assert back.y.tobytes() == data.y.tobytes()
    assert back.name == name


def test_table_written_by_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x, 1": [0.1, 0.2], 'say "y"': [1, 2], "label": [True, False]})
    frame.to_csv(tmp_path / "p.csv", index=False)
    data = tw.data.load(tmp_path / "p.csv", target="label")
    assert data.X.tolist() == [[0.1, 1.0], [0.2, 2.0]]
    assert data.y.tolist() == [1.0, -1.0]
    assert data.name == "p.csv (label: 'False' is -1, 'True' is 1)"
    frame.to_csv(tmp_path / "q.csv")
    with pytest.raises(tw.InputError, match=r"column 1 has no name.*index=False"):
        tw.data.load(tmp_path / "q.csv", target="label")


def test_byte_order_mark_blank_lines_and_spaces(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbfa , y\r\n\r\n 1, 2 \r\n")
    data = tw.data.load(path, target="y")
    assert (data.X.tolist(), data.y.tolist()) == ([[1.0]], [2.0])


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (
            TABLE,
            "anser",
            r"'target' parameter of load must be a column.*'anser'; did you mean 'answer'\?.*'age', 'we",
        ),
        (TABLE, "zzz", r"'zzz'\. Its columns are 'age', 'weight', 'answer'"),
        (TABLE, None, "'target' parameter of load must name the column of labels.*'age', 'weight', 'answer'"),
        (",".join(f"c{k}" for k in range(20)) + "\n", "zzz", r"'c7', \.\.\. \(20 in all\)"),
        ("1,2\n3,4\n", "y", "no header"),
        ("a;b;y\n1,5;2;3\n", "y", "separated by ';'. Write commas"),
        ("a\ty\n1\t2\n", "y", r"separated by '\\t'. Write commas"),
        ("a,y,y\n1,2,3\n", "y", "2 columns called 'y'"),
        ("y\n1\n", "y", "no column beside the target"),
        ("a,y\n", "y", "no samples"),
        ("a,y\n1,2\n,3\nNA,4\n", "y", r"line 3, column 'a': a missing value \(2 in all, in 2 row\(s\)\)"),
        ("a,b,y\n1,2,3\nnan,,3\n", "y", r"line 3, column 'a': a missing value \(2 in all, in 1 row\(s\)\)"),
        ("a,y\n1,\n2,1\n3,?\n", "y", r"line 2, column 'y': a missing label \(2 in all\)"),
        (
            "a,city,y\n1,Paris,3\n,Rome,3\n",
            "y",
            r"line 2, column 'city': 'Paris' is not a number.*numbers: 'city'\.",
        ),
        ("a,y\n1e999,1\n", "y", "line 2, column 'a': '1e999' is not finite"),
        ("a,y\n1,inf\n", "y", "'y' parameter of Dataset must be finite"),
        ("a,y\n0,1\n", "y", "zero row at index 0"),
        ("a,y\n1,2\n1,2,3\n", "y", r"line 3: 3 field\(s\), where the header has 2"),
        ("a,y\n1,2\n1", "y", r"line 3: 1 field\(s\).*truncated"),
        ('a,y\n1,"2', "y", "not a complete UTF-8 table"),
        ("a,y\n1,red\n2,green\n3,blue\n", "y", r"3 different value\(s\) \('blue', 'green', 'red'\)"),
        ("a,y\n1,red\n2,red\n", "y", r"1 different value\(s\) \('red'\)"),
    ],
)
def test_bad_table(tmp_path, text, target, message):
    with pytest.raises(tw.InputError, match=message):
        tw.data.load(write(tmp_path, text), target=target)


def test_not_utf8(tmp_path):
    (tmp_path / "latin.csv").write_bytes("größe,y\n1,2\n".encode("latin-1"))
    with pytest.raises(tw.InputError, match="not a complete UTF-8 table"):
        tw.data.load(tmp_path / "latin.csv", target="y")


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a.tsv"])
def test_missing_and_empty_files_and_folders(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(tw.InputError, match="There is no file"):
        tw.data.load(path, target="y")
    path.touch()
    with pytest.raises(tw.InputError, match="is empty"):
        tw.data.load(path, target="y")
    path.unlink()
    path.mkdir()
    with pytest.raises(tw.InputError, match="cannot be read: Is a directory"):
        tw.data.load(path, target="y")


@pytest.mark.parametrize("name", ["data.xlsx", "data", "data.npy", "data.csv.gz"])
def test_other_kinds_of_file(tmp_path, name):
    with pytest.raises(tw.InputError, match=r"must end in \.npz, \.csv or \.tsv"):
        tw.data.load(tmp_path / name)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.eye(2)}, "has no array 'y'. It holds 'X'. Name the array of labels"),
        ({"y": np.ones(2)}, "must hold the array 'X', or for a sparse X 'X_data'.*It holds 'y'"),
        ({"X": np.array([[None]]), "y": np.ones(1)}, "plain arrays"),
        ({"X": np.eye(2), "y": np.ones(3)}, "'y' parameter of Dataset must have one label per row"),
        ({"X": np.eye(2) * np.nan, "y": np.ones(2)}, "finite everywhere"),
    ],
)
def test_bad_npz(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(tw.InputError, match=message):
        tw.data.load(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    "parts",
    [
        {"X_indices": np.array([0, 99])},
        {"X_indices": np.array([0, -1])},
        {"X_indptr": np.array([0, 1, 5])},
        {"X_indptr": np.array([0, 2, 1])},
        {"X_shape": np.array([2])},
        {"X_shape": np.array(2)},
    ],
)
def test_sparse_parts_that_do_not_fit_are_not_trusted(tmp_path, parts):
    good = {
        "X_data": np.ones(2),
        "X_indices": np.array([0, 1]),
        "X_indptr": np.array([0, 1, 2]),
        "X_shape": (2, 2),
    }
    np.savez(tmp_path / "parts.npz", **(good | parts), y=np.ones(2))
    with pytest.raises(tw.InputError, match=r"not a complete .npz file"):
        tw.data.load(tmp_path / "parts.npz")


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_truncated_anywhere(tmp_path, compressed):
    path = tmp_path / "whole.npz"
    data = tw.data.orthogonal(20, seed=1)
    data.save(path)
    if compressed:
        np.savez_compressed(path, X=np.eye(30), y=np.arange(30.0))
    whole = path.read_bytes()
    cut = tmp_path / "cut.npz"
    for length in [1, 2, 5, 30, *range(60, len(whole), 97), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(tw.InputError):
            tw.data.load(cut)


def test_npz_with_flipped_bytes_is_refused_or_right(tmp_path):
    path = tmp_path / "whole.npz"
    data = tw.data.sphere(4, 3, seed=1)
    data.save(path)
    whole = path.read_bytes()
    bad = tmp_path / "bad.npz"
    refused = 0
    for place in range(0, len(whole), 7):
        bad.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            back = tw.data.load(bad)
        except tw.InputError:
            refused += 1
        else:  # a byte of no consequence, such as a date
            assert back.X.tobytes() == data.X.tobytes()
            assert back.y.tobytes() == data.y.tobytes()
    assert refused > 50


def test_table_truncated_within_its_last_line(tmp_path):
    whole = "a,b,y\n1,2,3\n4,5,6\n"
    for length in range(len("a,b,y\n1,2,3\n") + 1, len(whole) - 2):
        with pytest.raises(tw.InputError):
            tw.data.load(write(tmp_path, whole[:length]), target="y")


def test_a_pickle_is_never_loaded(tmp_path):
    import pickle

    (tmp_path / "evil.npz").write_bytes(pickle.dumps({"X": 1}))
    with pytest.raises(tw.InputError, match=r"not a complete .npz"):
        tw.data.load(tmp_path / "evil.npz")
    np.save(tmp_path / "one.npy", np.eye(2))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(tw.InputError, match="a single array"):
        tw.data.load(tmp_path / "one.npz")


def test_saving_leaves_nothing_behind_when_it_fails(tmp_path, monkeypatch):
    data = tw.data.sphere(3, 3, seed=1)
    data.save(tmp_path / "kept.npz")
    before = (tmp_path / "kept.npz").read_bytes()

    def half(stream, **arrays):
        stream.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(tw.InputError, match=r"kept\.npz.*no space left"):
        data.save(tmp_path / "kept.npz")
    assert os.listdir(tmp_path) == ["kept.npz"]
    assert (tmp_path / "kept.npz").read_bytes() == before


@pytest.mark.parametrize(("name", "message"), [("data.csv", "end in .npz"), ("none/data.npz", "existing folder")])
def test_bad_place_to_save(tmp_path, name, message):
    with pytest.raises(tw.InputError, match=message):
        tw.data.sphere(3, 3, seed=1).save(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_sparse_layout_is_the_documented_one(tmp_path):
    X = sp.random_array((5, 40), density=0.3, rng=np.random.default_rng(1), format="csr")
    np.savez(
        tmp_path / "s.npz",
        X_data=X.data,
        X_indices=X.indices,
        X_indptr=X.indptr,
        X_shape=X.shape,
        y=np.ones(5),
    )
    data = tw.data.load(tmp_path / "s.npz")
    assert data.is_sparse
    assert (data.X.toarray() == X.toarray()).all()
