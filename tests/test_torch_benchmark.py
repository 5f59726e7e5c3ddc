"""``utils.benchmark``: what measurements say, tables of them, and what is drawn to measure with."""

from __future__ import annotations

import re
from typing import Any

import pytest

import anadrome as ad
from anadrome.utils import benchmark as ours

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torch.utils.benchmark")
pytestmark = pytest.mark.torch


def same(program: Any) -> Any:
    out = []
    for L, B in ((ad, ours), (torch, theirs)):
        try:
            found = program(L, B)
        except Exception as error:
            found = type(error).__name__, str(error).replace("anadrome.plugins.profiler", "")
        out.append(found)
    assert out[0] == out[1]
    return out[0]


TIMES = {
    "steady": [1.0e-5, 1.01e-5, 1.02e-5, 0.99e-5, 1.0e-5],
    "wide": [1.0e-3, 1.2e-3, 1.1e-3, 0.95e-3, 1.3e-3, 1.15e-3],
    "one": [2.5e-2],
    "few": [1.0, 2.0, 3.0],
    "wild": [1e-4, 5e-4, 9e-4, 2e-4, 1e-3],
}


def measured(B: Any, times: Any, runs: int = 4, **task: Any) -> Any:
    task = {"stmt": "f(x)", "setup": "pass", **task}
    return B.Measurement(runs, times, B.TaskSpec(**task))


@pytest.mark.parametrize("times", TIMES)
def test_measurements(times: str) -> None:
    def program(L: Any, B: Any) -> Any:
        m = measured(B, TIMES[times], label="sums", sub_label="8", env="here", num_threads=2)
        text = repr(m).split("\n", 1)[1]
        numbers = [round(x, 12) for x in (m.mean, m.median, m.iqr)]
        rest = m.significant_figures, m.has_warnings, m.meets_confidence(), m.as_row_name, m.title
        return text, numbers, rest, m.env, m.num_threads, m.stmt, m.metadata

    same(program)


def test_tasks_and_numbers() -> None:
    same(lambda L, B: [B.unit_to_english(u) for u in ("ns", "us", "ms", "s")])
    same(lambda L, B: B.ordered_unique([3, 1, 3, 2]))
    same(
        lambda L, B: [
            round(B.trim_sigfig(x, n), 3) for x in (3.14159, 123.4, 0.5) for n in (1, 2, 3)
        ]
    )
    same(lambda L, B: B.TaskSpec("a\nb", "c\nd", sub_label="x").summarize())
    same(lambda L, B: B.TaskSpec("a", "c", label="l", description="d").summarize())
    same(lambda L, B: measured(B, [1.0]).unknown)

    def merged(L: Any, B: Any) -> Any:
        a, b, c = (measured(B, [1.0], n, label=x) for n, x in ((2, "a"), (4, "a"), (4, "b")))
        return [(m.label, m.times, m.number_per_run) for m in B.Measurement.merge([a, b, c])]

    same(merged)

    def threads(L: Any, B: Any) -> Any:
        before = L.get_num_threads()
        with B.set_torch_threads(1):
            inside = L.get_num_threads()
        return inside, L.get_num_threads() == before

    same(threads)


def grid(B: Any, envs: Any = (None,)) -> Any:
    out = []
    for env in envs:
        for threads in (1, 4):
            for row, base in (("small", 1e-5), ("large one", 3.3e-4)):
                for number, column in enumerate(("first", "second of them", "third")):
                    if (row, column) == ("small", "third"):
                        continue
                    times = [base * (1 + number) * (1 + 0.02 * i) for i in range(6)]
                    if number == 1:
                        times[-1] *= 3
                        times[-2] *= 2
                    task = {"label": "sums", "sub_label": row, "description": column, "env": env}
                    out.append(measured(B, times, 1, num_threads=threads, **task))
    return out


@pytest.mark.parametrize(
    "how", ["plain", "trim", "colour", "rows", "warn", "envs", "all", "labels"]
)
def test_tables(how: str) -> None:
    def program(L: Any, B: Any) -> Any:
        results = grid(B, ("here", "there") if how in ("envs", "all") else (None,))
        if how == "labels":
            results.append(measured(B, [1.5], 1, description="first", label="other"))
        table = B.Compare(results)
        if how in ("trim", "all"):
            table.trim_significant_figures()
        if how in ("colour", "rows", "all"):
            table.colorize(rowwise=how == "rows")
        if how in ("warn", "all"):
            table.highlight_warnings()
        return str(table)

    same(program)


def test_tables_take_measurements() -> None:
    same(lambda L, B: B.Compare([3]))


def fuzzers(B: Any, L: Any, **options: Any) -> Any:
    P, T = B.FuzzedParameter, B.FuzzedTensor
    return B.Fuzzer(
        [
            P("d", distribution={1: 0.25, 2: 0.25, 3: 0.5}) if L is ad else _odd(P, "d"),
            [P(f"n{i}", 4, 64, "loguniform") for i in range(3)],
            P("step", 1, 2, "uniform"),
            P("share", 0.0, 1.0, "uniform"),
            P("kept", 1, 1000, "uniform", strict=True),
        ],
        [
            T("x", ("n0", "n1", "n2"), ("step",), dim_parameter="d", max_elements=4096),
            T("y", ("n0", 3), probability_contiguous=0.1, dtype=L.int64, min_elements=20),
            T("z", ("n1",), tensor_constructor=lambda size, dtype, **p: L.zeros(size, dtype=dtype)),
        ],
        [lambda p: p["n0"] != p["n1"]],
        seed=7,
        **options,
    )


def _odd(P: Any, name: str) -> Any:
    """PyTorch 2.13 refuses probabilities that add up to 1, so they are put in afterwards."""
    made = P(name, 1, 2, "uniform")
    made._minval = made._maxval = None
    made._distribution = {1: 0.25, 2: 0.25, 3: 0.5}
    return made


def test_what_is_drawn() -> None:
    def program(L: Any, B: Any) -> Any:
        fuzzer = fuzzers(B, L)
        out = []
        for tensors, facts, params in fuzzer.take(12):
            shown = {
                k: {**v, "order": list(map(int, v["order"])), "dtype": v["dtype"].split(".")[-1]}
                for k, v in facts.items()
            }
            sizes = {k: (tuple(t.shape), t.stride()) for k, t in tensors.items()}
            out.append((params, sizes, shown))
        return out, fuzzer.rejection_rate

    same(program)


@pytest.mark.parametrize("case", ["unknown", "negative", "names", "impossible", "cycle", "alias"])
def test_refused_draws(case: str) -> None:
    def program(L: Any, B: Any) -> Any:
        P, T, A = B.FuzzedParameter, B.FuzzedTensor, B.ParameterAlias
        if case == "unknown":
            return P("x", 1, 2, "normal")
        if case == "negative":
            return P("x", distribution={1: -1.0, 2: 2.5})
        if case == "names":
            return B.Fuzzer([P("x", 1, 2, "uniform")], [T("x", (1,))])
        if case == "impossible":
            return next(B.Fuzzer([P("n", 1, 2, "uniform")], [], [lambda p: False], 0).take(1))
        if case == "alias":
            chosen = _odd(P, "m")
            chosen._distribution = {A("n"): 1.0}
            if L is ad:
                chosen = P("m", distribution={A("n"): 1.0})
            fuzzer = B.Fuzzer([P("n", 5, 9, "uniform"), chosen], [], seed=1)
            return [p for _, _, p in fuzzer.take(3)], repr(A("n"))
        both = [_odd(P, "n"), _odd(P, "m")]
        both[0]._distribution, both[1]._distribution = {A("m"): 1.0}, {A("n"): 1.0}
        fuzzer = B.Fuzzer(both, [], seed=1)
        try:
            return next(fuzzer.take(1))
        except ValueError as error:
            return str(error)[:30]

    same(program)


def counts(B: Any) -> Any:
    rows = tuple(
        B.FunctionCount(100 - 4 * i, f"/a/b/Python/file.c:f{i} [lib.so]") for i in range(25)
    )
    noise = B.FunctionCount(7, "Objects/dictobject.c:lookdict_unicode")
    a = B.FunctionCounts((*rows, noise), False)
    return a, B.FunctionCounts(rows[3:7], False), B.FunctionCounts(rows, True)


def test_counts() -> None:
    def program(L: Any, B: Any) -> Any:
        a, b, c = counts(B)
        texts = [repr(x).split("\n", 1)[1] for x in (a, b, c, a[:2], a - b, b * 0.5)]
        try:
            texts.append(repr(a + c))
        except AssertionError as error:
            texts.append(str(error))
        return texts, a.sum(), a.denoise().sum(), len(a.filter(lambda f: "f1" in f)), list(a + b)

    same(program)

    def stats(L: Any, B: Any) -> Any:
        a, b, c = counts(B)
        task = B.TaskSpec("f(x)", "pass", label="sums")
        s = B.CallgrindStats(task, 100, True, c, b, c, a, None)
        text = re.sub(r"\s+", " ", repr(s).split("\n", 1)[1])
        names = [f for _, f in s.as_standardized().stats()][:3]
        return text, s.counts(), s.counts(denoise=True), list(s.delta(s)), names

    same(stats)
    assert counts(ours)[0][0].count == 100
    with pytest.raises(RuntimeError, match="Valgrind"):
        ours.Timer("1 + 1").collect_callgrind()
