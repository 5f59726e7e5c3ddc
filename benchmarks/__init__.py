"""anadrome next to PyTorch: whole training steps, memory, start-up.

    python -m benchmarks                 every measurement, about ten minutes
    python -m benchmarks --quick         every measurement, coarser, under two minutes
    python -m benchmarks char-gpt import --rounds 31 --json out.json
    python -m benchmarks gpu --out DIR   the GPU: its tests, and timings by device events

Reading order, one idea a file:

- `environment`: threads, which must be settled before NumPy is imported; loading a framework.
- `registry`: `@workload` and `@experiment`, the only two ways in; `catalogue` imports them all.
- `models`, `workloads`: what is timed, written once for both frameworks.
- `floors`: the same steps in bare NumPy, with no graph.
- `timing`, `quiet`: interleaved rounds, without the disturbed ones.
- `memory`: peaks.  `child`: a function in a fresh process.
- `stepping`: one workload to one row, from the three above.
- `checkpointing`, `long_chain`, `startup`, `capturing`, `idle`: what is not a training step.
- `gpu`: the same models' sizes and clocks of a GPU, a package of its own.
- `results`, `machine`, `report`: the rows, the machine, and the tables and JSON made of them.

A new workload is one function in `workloads` under `@workload(...)`.
"""
