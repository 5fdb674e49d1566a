"""Shared type aliases."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
ModeArray: TypeAlias = NDArray[np.int8]
BoolArray: TypeAlias = NDArray[np.bool_]
Seed: TypeAlias = int | np.random.SeedSequence | None

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    Inputs: TypeAlias = FloatArray | csr_array
else:
    Inputs = FloatArray
