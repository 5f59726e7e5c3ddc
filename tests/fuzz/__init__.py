"""fuzz: calls of every public callable with bad arguments, in a process with limits.

``python -m tests.fuzz`` runs it; ``docs/fuzzing.md`` says how it works and what it found. In
reading order: ``surface`` (what is called), ``samples`` (calls that work), ``pools`` (values to put
in their place), ``draws`` (one call from one seed), ``oracle`` (what came of it), ``worker`` and
``runner`` (in a process of its own), ``report`` (the counts).
"""
