"""The data set that comes with the library."""

from __future__ import annotations

from pathlib import Path

from .dataset import Dataset
from .files import load

_FILE = Path(__file__).parent / "files" / "stdlib.npz"


def example() -> Dataset:
    """Return a small real data set of high dimension: which modules of Python have to do with the Internet?

    115 samples, the modules of Python's standard library, by 2738 inputs, the words of their documentation
    (sparse, weighted by rarity, rows of norm 1). The label is 1 if the Library Reference lists the module in
    its chapters on networking, Internet data, markup and Internet protocols, and -1 if elsewhere.

    Leave-one-out ridge regression gets 88 % of the labels right; 75 % of them are -1.

    Notes
    -----
    Built once from Python 3.11.7 by `tools/build_example_data.py` of the source repository, which states
    every step. The documentation of Python is under the Python Software Foundation License Version 2; see
    NOTICE.md beside the file. The file also holds the names of the modules (`samples`) and the `words`.

    Examples
    --------
    >>> import thalweg as tw
    >>> print(tw.data.example())
    modules of Python's standard library
      size       115 samples x 2738 inputs (sparse, 18387 stored)
      norms      0.9987 to 1.001
      labels     -1 to 1
      coherence  max |cos| 0.454, mean |cos| 0.0515
      Gram       lambda_min 0.4466, lambda_max 7.804, rank 115
      regime     not weakly interacting: fails by 8.61x at sample 31 (random directions would need n <= 31.4)
    """
    return load(_FILE)
