"""A training step recorded once as a flat program, and replayed on new data (``anadrome.capture``).

Reading order: ``traced`` (arrays that note down what is done with them), ``tracing`` (the backend
they have), ``tape`` (what they noted), ``writing`` and ``program`` (a tape as one Python function),
``arguments`` (how the step is called), ``steps`` (the whole).
"""

from .steps import capture as capture
