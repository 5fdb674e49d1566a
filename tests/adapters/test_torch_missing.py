"""Without PyTorch: the adapters can be imported, and what needs it names the extra."""

import subprocess
import sys

CODE = """
import thalweg as tw
from thalweg import adapters

print(adapters.append_constant(tw.Dataset([[2.0]], [1.0])).d)
for use in (
    lambda: __import__("thalweg.adapters.torch"),
    lambda: tw.from_torch(None),
    lambda: tw.to_torch(tw.init.zas(2, 2)),
):
    try:
        use()
    except tw.MissingExtraError as error:
        print(error)
"""


def test_what_needs_pytorch_names_the_extra(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('not here')")
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    advice = "PyTorch is not installed. Install it with: pip install 'thalweg[torch]'"
    assert done.stdout.splitlines() == ["2", advice, advice, advice]
