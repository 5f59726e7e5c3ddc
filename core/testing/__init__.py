"""testing: the conformance kit, for our own tests and for authors of backends and plugins.

An op declares what to try it on (``samples=``). Everything else follows from the declaration, so a
new op or a new backend needs no test code of its own:

>>> from anadrome import testing
>>> passed = testing.check_backend("numpy", ops=["tanh"], dtypes=["float64"])
>>> passed == len(testing.CHECKS)
True

In a test suite, one test each with a readable name::

    @pytest.mark.parametrize("case", testing.cases("mine"), ids=str)
    def test_conformance(case):
        case()

Reading order: ``compare`` (tolerances, ``assert_close``), ``arguments`` (samples to Tensors),
``making`` (``make_tensor``), ``reference`` (the float64 answer), ``checks``, ``ranges`` and
``draws`` (one function a property), ``suite``.
"""

from __future__ import annotations

from .arguments import make_args
from .compare import Tolerance, assert_allclose, assert_close, assert_same_bits, tolerance_of
from .making import make_tensor
from .suite import CHECKS, Case, cases, check_backend, check_op

__all__ = [
    "CHECKS",
    "Case",
    "Tolerance",
    "assert_allclose",
    "assert_close",
    "assert_same_bits",
    "cases",
    "check_backend",
    "check_op",
    "make_args",
    "make_tensor",
    "tolerance_of",
]
