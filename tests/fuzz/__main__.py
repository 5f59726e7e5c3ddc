"""``python -m tests.fuzz``: run some thousand calls and print the counts, or one call again."""

from __future__ import annotations

import argparse
import traceback

from . import areas, oracle, report, runner, surface, worker


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=10000, help="how many (default: 10,000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first call")
    parser.add_argument("--only", default="", metavar="PREFIX", help="names that begin with it")
    parser.add_argument("--keep", metavar="FILE", help="write each call and its outcome here")
    parser.add_argument("--replay", metavar="NAME#N", help="make this one call, and say all of it")
    parser.add_argument("--torch", action="store_true", help="compare each call with PyTorch's")
    parser.add_argument("--sweep", action="store_true", help="each argument by each bad value")
    parser.add_argument("--area", choices=areas.AREAS, help="of index expressions, or of out=")
    options = parser.parse_args()
    if options.area:
        done, wrong = areas.run(options.area, options.first, options.calls)
        print(*wrong, sep="\n")
        print(f"{options.calls:,} cases, {done:,} carried out, {len(wrong)} findings")
        return bool(wrong)
    if options.replay:
        return _replay(options.replay, options.sweep)
    records = runner.run(
        options.first,
        options.calls,
        options.only,
        torch=options.torch,
        sweep=options.sweep,
        path=options.keep,
    )
    found = report.findings(records)
    for count, record in found:
        print(report.told(count, record))
    print(f"\n{report.table(records)}\n\n{len(found)} kinds of findings")
    alone = report.unexplained(records) if options.torch else []
    if options.torch:
        print(f"\n{report.comparison(records)}\n\n{len(alone)} without a reason")
        print(*alone, sep="\n")
    return bool(found or alone)


def _replay(name: str, sweep: bool) -> int:
    path, _, number = name.rpartition("#")
    (target,) = [t for t in surface.targets() if t.path == path]
    worker.limited()
    call, _ = worker.drawn(target, int(number), sweep)
    assert call is not None, "a sweep has no call of that number"
    print(oracle.told(target, call))
    try:
        print(repr(target.value(*call.args, **call.keywords))[:2000])
    except Exception:
        traceback.print_exc()
    outcome, *_ = worker.one(target, int(number), sweep=sweep)
    print(outcome)
    return outcome.kind in oracle.FINDINGS


if __name__ == "__main__":
    raise SystemExit(main())
