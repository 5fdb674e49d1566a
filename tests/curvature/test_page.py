"""The page on curvature runs as it stands, and its picture is the one that its code draws."""

from pathlib import Path

import matplotlib.image
import numpy as np

from test_documents import BLOCK, ROOT, run


def test_the_page_runs(tmp_path: Path):
    said = run("\n".join(BLOCK.findall((ROOT / "docs" / "curvature.md").read_text(encoding="utf-8"))), tmp_path)
    assert "plateau length = 0.4" in said
    drawn, kept = (matplotlib.image.imread(folder / "curvature.png") for folder in (tmp_path, ROOT / "docs"))
    assert drawn.shape == kept.shape
    # Another version of matplotlib may set letters otherwise.
    assert np.abs(drawn - kept).mean() < 0.02
