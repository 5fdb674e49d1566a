"""What README and documentation show is run as it stands."""

import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import thalweg as tw

ROOT = Path(__file__).resolve().parents[1]
THEOREMS = sorted((ROOT / "docs" / "theorems").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(code: str, folder: Path) -> str:
    """Run code in a fresh interpreter with warnings as errors and return what it printed."""
    environment = {"MPLBACKEND": "Agg", "MPLCONFIGDIR": str(folder), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,  # no bound on speed: a hang is to fail, not to stall
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "documents",
    [
        [ROOT / "README.md", ROOT / "docs" / "index.md"],
        [ROOT / "docs" / "tutorial.md"],
        [ROOT / "docs" / "certificates.md", ROOT / "docs" / "certificates-linear.md", ROOT / "docs" / "conformance.md"],
        [ROOT / "docs" / "pytorch.md", ROOT / "docs" / "monitor.md"],
        [ROOT / "docs" / "jax.md"],
        THEOREMS,
    ],
    ids=["README", "tutorial", "certificates", "pytorch", "jax", "theorems"],
)
def test_code_of_documents_runs(documents, tmp_path):
    """The pages on theorems share one interpreter: most of the time is spent on starting it."""
    found = [BLOCK.findall(document.read_text(encoding="utf-8")) for document in documents]
    assert all(found)
    run("\n".join(block for blocks in found for block in blocks), tmp_path)


def test_links_between_documents_lead_somewhere():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    targets = [
        (document, target.partition("#")[0])
        for document in documents
        for target in re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8"))
        if "://" not in target
    ]
    assert targets
    assert not [(str(a), b) for a, b in targets if not (a.parent / b).exists()]


def test_every_theorem_has_a_page_with_a_picture():
    from thalweg.theorems import THEOREMS as known

    assert {page.stem for page in THEOREMS} == {theorem.name for theorem in known}
    for page in THEOREMS:
        assert f"]({page.stem}.svg)" in page.read_text(encoding="utf-8")


def test_every_public_name_is_in_the_reference():
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert set(tw.__all__) <= set(re.findall(r"^::: thalweg\.(\w+)", reference, re.MULTILINE))


def test_every_name_of_the_reference_has_an_example():
    for name in ("torch", "lightning", "jax"):
        pytest.importorskip(f"thalweg.adapters.{name}", exc_type=ImportError)
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    without = []
    for name in re.findall(r"^::: ([\w.]+)", reference, re.MULTILINE):
        found = pkgutil.resolve_name(name)
        if inspect.ismodule(found):
            exported = getattr(found, "__all__", None) or vars(found)
            own = [getattr(found, each) for each in exported if not each.startswith("_")]
            own = [each for each in own if getattr(each, "__module__", "").startswith(name)]
        else:
            own = [found]
        documented = [each for each in own if inspect.isclass(each) or inspect.isfunction(each)]
        without += [f"{name}: {each.__qualname__}" for each in documented if ">>>" not in (each.__doc__ or "")]
    assert not without


def test_tables_of_benchmarks_are_those_of_the_recorded_results():
    command = [sys.executable, str(ROOT / "benchmarks" / "tables.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "run python benchmarks/tables.py"
