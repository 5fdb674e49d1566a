"""Certificates in files: JSON with all it takes to verify them, every float to the last bit."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import InputError
from .._files import write_text
from ..data.dataset import Dataset
from ..data.target import Target
from ..networks.deep_linear import DeepLinearNetwork
from ..networks.shallow import ShallowNetwork
from .certificate import Certificate

_FORMAT, _VERSION = "thalweg-certificate", 1
_FIGURES = ("rate", "radius", "loss", "limit_loss", "loss_floor", "slack")
# Verdicts and tests of shallow and of deep linear networks.
_VERDICTS = ("converges", "stuck", "undecided")
_TESTS = ("", "A0", "leaky", "A", "B", "N1", "N")
_LINEAR_VERDICTS, _LINEAR_TESTS = ("converges", "undecided"), ("", "A", "B", "C")
# JSON has no word for these.
_INFINITE = {"infinity": math.inf, "-infinity": -math.inf}


def save(certificate: Certificate, path: str | Path) -> Path:
    """Write a certificate to a JSON file, atomically."""
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "verdict": certificate.verdict,
        "test": certificate.test,
        **{name: _from_number(getattr(certificate, name)) for name in _FIGURES},
        "stuck": [int(i) for i in certificate.stuck],
        "reasons": [list(reason) for reason in certificate.reasons],
        "witness": {key: [_from_number(x) for x in values] for key, values in certificate.witness.items()},
        "network": _from_network(certificate.network),
        "data": _from_data(certificate.data),
    }
    return write_text("Certificate.save", path, json.dumps(content, allow_nan=False, indent=1) + "\n")


def load(path: str | Path) -> Certificate:
    """Read a certificate written by `save`. Nothing is believed, and nothing executed: call its `verify`.

    Raises
    ------
    InputError
        If the file is missing, truncated or of another kind.
    """
    try:
        content = json.loads(Path(path).read_bytes(), parse_constant=_refuse)
    except FileNotFoundError:
        raise InputError(f"There is no file {str(path)!r}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} is not a complete saved Certificate: {error}.") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise InputError(f"{str(path)!r} is not a saved Certificate.")
    if content.get("version") != _VERSION:
        got = content.get("version")
        raise InputError(f"{str(path)!r} is a certificate of version {got!r}; this thalweg reads version {_VERSION}.")
    try:
        return _assemble(content)
    except KeyError as error:
        raise InputError(f"{str(path)!r} is not a complete saved Certificate: {error} is missing.") from None
    except (AttributeError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise InputError(f"{str(path)!r} is not a complete saved Certificate: {error}") from None


def _assemble(content: dict[str, Any]) -> Certificate:
    linear = "layers" in content["network"]
    network, data = (_linear if linear else _shallow)(content["network"], content["data"])
    figures = {name: _to_number(content[name]) for name in _FIGURES if name != "limit_loss"}
    limit = content["limit_loss"]
    verdict = _one_of(content["verdict"], _LINEAR_VERDICTS if linear else _VERDICTS)
    test = _one_of(content["test"], _LINEAR_TESTS if linear else _TESTS)
    reasons = tuple((_text(name), _text(says)) for name, says in content["reasons"])
    if verdict != "undecided" and test not in dict(reasons):
        raise ValueError(f"it is decided by test {test!r}, of which it gives no reason.")
    return Certificate(
        verdict=verdict,
        test=test,
        **figures,
        limit_loss=None if limit is None else _to_number(limit),
        stuck=_to_samples(content["stuck"], data.n if isinstance(data, Dataset) else 0),
        reasons=reasons,
        network=network,
        data=data,
        witness={key: [_to_number(x) for x in _list(values)] for key, values in content["witness"].items()},
    )


def _from_network(network: ShallowNetwork | DeepLinearNetwork) -> dict[str, Any]:
    if isinstance(network, DeepLinearNetwork):
        return {"repeats": [count for _, count in network.runs], "layers": [_from_array(W) for W, _ in network.runs]}
    arrays = {name: _from_array(getattr(network, name)) for name in ("W", "a", "invariant")}
    return {"activation": network.activation, "slope": network.slope, **arrays}


def _from_data(data: Dataset | Target) -> dict[str, Any]:
    if isinstance(data, Target):
        arrays = {name: _from_array(getattr(data, name)) for name in ("Phi", "second_moment")}
        return {"name": data.name, "floor": data.floor, **arrays}
    return {"name": data.name, "X": _from_inputs(data), "y": _from_array(data.y)}


def _shallow(parts: dict[str, Any], samples: dict[str, Any]) -> tuple[ShallowNetwork, Dataset]:
    data = Dataset(_to_inputs(samples["X"]), _to_array(samples["y"], 1), _text(samples["name"]))
    W, a, invariant = (_to_array(parts[name], ndim) for name, ndim in (("W", 2), ("a", 1), ("invariant", 1)))
    network = ShallowNetwork(W, a, _text(parts["activation"]), _number(parts["slope"]), invariant)
    if network.d != data.d:
        raise ValueError(f"the network has {network.d} inputs, the data have {data.d}.")
    return network, data


def _linear(parts: dict[str, Any], goal: dict[str, Any]) -> tuple[DeepLinearNetwork, Target]:
    network = DeepLinearNetwork([_to_array(W, 2) for W in _list(parts["layers"])], _list(parts["repeats"]))
    Phi, moment = (_to_array(goal[name], 2) for name in ("Phi", "second_moment"))
    target = Target(Phi, moment, _number(goal["floor"]), _text(goal["name"]))
    if (network.d_out, network.d_in) != target.Phi.shape:
        raise ValueError(f"the network has shape {(network.d_out, network.d_in)}, the target {target.Phi.shape}.")
    return network, target


def _from_number(x: Any) -> float | str | None:
    if x is None:
        return None
    x = float(x)  # json writes floats so that they are read back to the last bit
    return next((word for word, value in _INFINITE.items() if x == value), x)


def _to_number(x: Any) -> float:
    return _INFINITE[x] if isinstance(x, str) and x in _INFINITE else _number(x)


def _number(x: Any) -> float:
    if isinstance(x, bool) or not isinstance(x, int | float) or not math.isfinite(x):
        raise ValueError(f"{x!r} stands where a number should.")
    return float(x)


def _text(x: Any) -> str:
    if not isinstance(x, str):
        raise ValueError(f"{x!r} stands where a text should.")
    return x


def _one_of(x: Any, words: tuple[str, ...]) -> str:
    if x not in words:
        raise ValueError(f"{x!r} is none of {', '.join(map(repr, words))}.")
    return x


def _list(x: Any) -> list[Any]:
    if not isinstance(x, list):
        raise ValueError(f"{x!r} stands where a list should.")
    return x


def _to_samples(x: Any, n: int) -> np.ndarray:
    for i in _list(x):
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < n:
            raise ValueError(f"{i!r} stands where the number of a sample should.")
    return np.array(x, np.int64)


def _from_array(array: np.ndarray, kind: str = "<f8") -> dict[str, Any]:
    data = np.ascontiguousarray(array, kind).tobytes()
    return {"shape": list(array.shape), "type": kind, "base64": base64.b64encode(data).decode("ascii")}


def _to_array(parts: Any, ndim: int, kind: str = "<f8") -> np.ndarray:
    shape = [_number(k) for k in _list(parts["shape"])]
    if parts["type"] != kind or len(shape) != ndim or any(k < 0 or k != int(k) for k in shape):
        raise ValueError(f"an array of shape {parts['shape']} and type {parts['type']!r} does not belong there.")
    data = base64.b64decode(parts["base64"], validate=True)
    if len(data) != 8 * math.prod(map(int, shape)):
        raise ValueError(f"an array of shape {parts['shape']} has {len(data)} bytes.")
    # A copy that can be written to, in the byte order of this machine.
    return np.frombuffer(data, kind).astype(np.dtype(kind).newbyteorder("=")).reshape([int(k) for k in shape])


def _from_inputs(data: Dataset) -> dict[str, Any]:
    X: Any = data.X
    if not data.is_sparse:
        return _from_array(X)
    parts = {"indices": _from_array(X.indices, "<i8"), "indptr": _from_array(X.indptr, "<i8")}
    return {"shape": list(X.shape), "data": _from_array(X.data), **parts}


def _to_inputs(parts: Any) -> Any:
    if "base64" in parts:
        return _to_array(parts, 2)
    from scipy.sparse import csr_array

    shape = tuple(int(_number(k)) for k in _list(parts["shape"]))
    indices, indptr = _to_array(parts["indices"], 1, "<i8"), _to_array(parts["indptr"], 1, "<i8")
    if len(shape) != 2 or len(indptr) != shape[0] + 1 or (np.diff(indptr) < 0).any() or (indices < 0).any():
        raise ValueError(f"the sparse inputs do not fit their shape {parts['shape']}.")
    X = csr_array((_to_array(parts["data"], 1), indices, indptr), shape=shape)
    X.check_format(full_check=True)
    return X


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is not a number that a certificate may hold")
