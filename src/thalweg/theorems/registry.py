"""Every theorem known, in the order in which they are run and tested. A paper adds its own here."""

from .base import Theorem
from .dana_bach_pillaud_vivien import Corollary1, LeakyReLU, Theorem1, TheoremA, TheoremA0
from .lemmas import Counterexample, Coverage, CurvatureBounds
from .orthogonal_inputs import GroupInitialization, OrthogonalInputs
from .wu_wang_ma import RectangularData, SmallLastLayer, ZasAnyLayer, ZasFlow
from .zas_descent import LargerIdentity, PaperDescent, ZasDescent

THEOREMS: tuple[Theorem, ...] = (
    Theorem1(),
    Corollary1(),
    TheoremA(),
    TheoremA0(),
    OrthogonalInputs(),
    GroupInitialization(),
    LeakyReLU(),
    Coverage(),
    CurvatureBounds(),
    Counterexample(),
    ZasFlow(),
    ZasAnyLayer(),
    SmallLastLayer(),
    RectangularData(),
    ZasDescent(),
    LargerIdentity(),
    PaperDescent(),
)
