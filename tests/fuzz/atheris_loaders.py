"""atheris_loaders: the loaders under libFuzzer, which looks for inputs that reach new code.

``python -m tests.fuzz.atheris_loaders NAME [SECONDS]``, where NAME is one of ``loaders.LOADERS``
(without a name, it lists them). It needs ``pip install atheris``. It ends with a finding at the
first input that is neither read nor refused by an error of ours; libFuzzer writes that input down.
"""

from __future__ import annotations

import os
import sys
import tempfile


def main() -> None:
    """The command line."""
    import atheris

    with atheris.instrument_imports(include=["anadrome"]):
        from . import loaders

        if len(sys.argv) < 2:
            print("\n".join(loaders.LOADERS))
            return
        loader = loaders.LOADERS[sys.argv[1]]
        seeds = loader.seeds()
        for seed in seeds:  # so that all it imports is imported, and watched
            loaders.judged(loader, seed)
    seconds = sys.argv[2] if len(sys.argv) > 2 else "60"
    corpus = tempfile.mkdtemp(prefix="corpus-")
    for n, seed in enumerate(seeds):
        with open(os.path.join(corpus, f"seed-{n}"), "wb") as file:
            file.write(seed)

    def one(data: bytes) -> None:
        outcome = loaders.judged(loader, data)
        if outcome.kind in loaders.oracle.FINDINGS:
            raise AssertionError(f"{loader.name}: {outcome}")

    bounds = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=4096", "-max_len=20000"]
    atheris.Setup([sys.argv[0], *bounds, f"-artifact_prefix={corpus}/", corpus], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
