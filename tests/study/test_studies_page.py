"""The page on studies runs as it stands, and its specification is one."""

import re
from pathlib import Path

import pytest

from test_documents import BLOCK, run
from thalweg.study import TRIAL, Study

PAGE = Path(__file__).resolve().parents[2] / "docs" / "studies.md"


def test_page_runs(tmp_path):
    pytest.importorskip("pandas")
    said = run("\n".join(BLOCK.findall(PAGE.read_text(encoding="utf-8"))), tmp_path)
    assert said.startswith("20 3")


def test_specification_of_the_page():
    text = PAGE.read_text(encoding="utf-8")
    whole, threshold, precision = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert Study.from_toml(whole).most == 120
    assert Study.from_toml(whole.replace("repetitions = 40\n", "") + threshold).most == 270
    assert Study.from_toml(whole + precision).most == 120
    assert f"{TRIAL.itemsize} bytes" in text
