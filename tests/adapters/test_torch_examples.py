"""The examples with PyTorch, made small: that they run, and print a row for every start."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("torch") is None:
    pytest.skip("PyTorch is not installed: it is the extra 'torch'", allow_module_level=True)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL = {
    "deep_residual_mlp": "DEPTH, WIDTH, SAMPLES, ITERATIONS, SEEDS = 4, 8, 64, 3, 1",
    "residual_convolutional": "BLOCKS, CHANNELS, SAMPLES, BATCH, ITERATIONS, SEEDS = 4, 2, 64, 32, 3, 1",
}


@pytest.mark.parametrize("name", SMALL)
def test_example_runs(name, tmp_path):
    code, count = re.subn(r"^[A-Z, ]*SEEDS = .*$", SMALL[name], (EXAMPLES / f"{name}.py").read_text(), flags=re.M)
    assert count == 1
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,  # no bound on speed: a hang is to fail, not to stall
    )
    assert done.returncode == 0, done.stderr
    for start in ("Xavier", "ZAS", "ZAS, scaled"):
        assert re.search(rf"^{start} +0 ", done.stdout, re.M)
    assert "4 residual branches computed as 0" in done.stdout
