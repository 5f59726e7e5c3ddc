"""The GPU: its tests, and anadrome next to PyTorch eager and `torch.compile`, in one run.

    python -m benchmarks gpu --out DIR             tests and timings, about half an hour
    python -m benchmarks gpu --out DIR --quick     fewer rounds
    python -m benchmarks gpu --out DIR --no-tests gpt-step

Reading order: `command` (the arguments, and what is done in which order), `needs` (what has to be
installed), `suite` (`pytest -m gpu`), `sides` (a framework on a device: its events and memory),
`timing`, `models`, `training` (a model's steps), `workloads` (what is measured; `catalogue` of it
is `registry.DEVICE_EXPERIMENTS`), `writing` (the report). Nothing here imports an array library at
its top.
"""
