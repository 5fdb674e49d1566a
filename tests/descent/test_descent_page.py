"""The page on gradient descent runs as it stands, and its picture is the one that its code draws."""

from pathlib import Path

import matplotlib.image
import numpy as np

from test_documents import BLOCK, ROOT, run


def test_the_page_runs(tmp_path: Path):
    said = run("\n".join(BLOCK.findall((ROOT / "docs" / "descent.md").read_text(encoding="utf-8"))), tmp_path)
    assert "of 40 runs reached" in said
    distances = [float(line.split(": ")[1].split()[0]) for line in said.splitlines() if "distance to the flow" in line]
    assert distances[0] > distances[1] > distances[2]
    drawn, kept = (matplotlib.image.imread(folder / "descent.png") for folder in (tmp_path, ROOT / "docs"))
    assert drawn.shape == kept.shape
    # Another version of matplotlib may set letters otherwise.
    assert np.abs(drawn - kept).mean() < 0.02
