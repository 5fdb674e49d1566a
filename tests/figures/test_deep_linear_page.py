"""The page on deep linear networks runs as it stands, and shows figures that there are."""

import re
from pathlib import Path

from test_documents import BLOCK, ROOT, run
from thalweg import figures

PAGE = (ROOT / "docs" / "deep-linear.md").read_text(encoding="utf-8")


def test_the_page_runs(tmp_path: Path):
    said = run("\n".join(BLOCK.findall(PAGE)), tmp_path)
    assert "depth 1000000" in said


def test_its_pictures_are_those_of_the_commands_above_them():
    named = re.findall(r"^    thalweg figure (\S+)", PAGE, re.MULTILINE)
    shown = re.findall(r"\]\(figures/(\S+)\.png\)", PAGE)
    assert named == shown == ["saddle", "depth", "residual"]
    assert all(figures.named(name) for name in named)
    assert all((ROOT / "docs" / "figures" / f"{name}.png").stat().st_size > 10_000 for name in shown)
