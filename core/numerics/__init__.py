"""Functions of mathematics that array libraries lack, composed from what the array API has.

Each is a plain function of an array namespace and arrays. It knows nothing of derivatives: the op
that is declared with it does (``ops/special.py`` and its kin). A backend whose library has the
function puts that in its place, by a kernel.

Reading order: ``series``, ``errorfunction``, ``gamma``, ``incomplete``, ``bessel``, ``cylinder``,
``macdonald``, ``airy``, ``orthogonal``.
"""
