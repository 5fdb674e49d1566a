"""Every example runs: scripts in an interpreter of their own, notebooks cell by cell."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
# What each script must say.
SCRIPTS = {
    "first_flow": "first_flow.html",
    "is_my_data_weakly_interacting": "weak interaction fails",
    "certify_a_run": "in other arithmetic: True",
    "threshold_study": "half succeed at n = ",
    "reproduce_a_figure": "saved: saddle.csv",
}
# The lines of sizes that make the examples with PyTorch small.
WITH_TORCH = {
    "deep_residual_mlp": "DEPTH, WIDTH, SAMPLES, ITERATIONS, SEEDS = 4, 8, 64, 3, 1",
    "residual_convolutional": "BLOCKS, CHANNELS, SAMPLES, BATCH, ITERATIONS, SEEDS = 4, 2, 64, 32, 3, 1",
}
NOTEBOOKS = ["first_flow", "certificates", "deep_linear_networks"]


def run(script, folder):
    """Run a script with warnings as errors and return what it printed."""
    environment = {"MPLBACKEND": "Agg", "MPLCONFIGDIR": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env={key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ} | environment,
        capture_output=True,
        text=True,
        timeout=300,  # no bound on speed: a hang is to fail, not to stall
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def code_of(notebook):
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_every_example_is_run_here_and_listed():
    found = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert found == {f"{name}.py" for name in (*SCRIPTS, *WITH_TORCH)} | {f"{name}.ipynb" for name in NOTEBOOKS}
    listed = (EXAMPLES.parent / "docs" / "examples.md").read_text(encoding="utf-8")
    assert set(re.findall(r"examples/(\w+\.\w+)", listed)) == found


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run(name, tmp_path):
    assert SCRIPTS[name] in run(EXAMPLES / f"{name}.py", tmp_path)


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed: it is the extra 'torch'")
@pytest.mark.parametrize("name", WITH_TORCH)
def test_scripts_with_torch_run_when_made_small(name, tmp_path):
    code, count = re.subn(r"^[A-Z, ]*SEEDS = .*$", WITH_TORCH[name], (EXAMPLES / f"{name}.py").read_text(), flags=re.M)
    assert count == 1
    (tmp_path / "small.py").write_text(code)
    said = run(tmp_path / "small.py", tmp_path)
    for start in ("Xavier", "ZAS", "ZAS, scaled"):
        assert re.search(rf"^{start} +0 ", said, re.M)
    assert "4 residual branches computed as 0" in said


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_of_notebooks_run(name, tmp_path):
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8"))
    (tmp_path / "cells.py").write_text("\n".join(code_of(notebook)), encoding="utf-8")
    run(tmp_path / "cells.py", tmp_path)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_of_format_4_and_hold_no_outputs(name):
    """The keys that the schema of nbformat 4.5 requires, and no others."""
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert set(notebook) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    kinds = {"markdown": set(), "code": {"execution_count", "outputs"}}
    for cell in notebook["cells"]:
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | kinds[cell["cell_type"]]
        assert re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", cell["id"])
        assert all(isinstance(line, str) for line in cell["source"])
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert notebook["cells"][0]["source"][0].startswith("# ")
