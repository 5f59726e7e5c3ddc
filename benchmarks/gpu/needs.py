"""What a GPU run needs, and what to say where something is missing."""

from __future__ import annotations

from .. import environment

#: Imported by the framework itself, and by its CuPy backend.
FRAMEWORK = {
    "anadrome": "-e .",
    "numpy": "numpy",
    "ml_dtypes": "ml_dtypes",
    "array_api_compat": "array-api-compat",
}
#: Imported by the tests: what the extra `test` brings.
TESTS = {
    "pytest": "pytest",
    "xdist": "pytest-xdist",
    "hypothesis": "hypothesis",
    "array_api_strict": "array-api-strict",
    "expecttest": "expecttest",
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
    "tqdm": "tqdm",
}


class Missing(Exception):
    """Something without which nothing can be measured; the message says what to do."""


def absent(modules: dict[str, str]) -> list[str]:
    """What to give to `pip install` for those that are not there."""
    return [package for module, package in modules.items() if not environment.installed(module)]


def advice(packages: list[str]) -> str:
    """The command that installs them."""
    return f"pip install {' '.join(packages)}"


def require_gpu() -> None:
    """Raises Missing unless the framework and a GPU can be used."""
    packages = absent(FRAMEWORK)
    if packages:
        raise Missing(f"not installed: {', '.join(packages)}; run `{advice(packages)}` first")
    ad = environment.load("anadrome")
    if ad.cuda.is_available():
        return
    try:
        ad.zeros(1, device="cuda")
    except Exception as error:
        raise Missing(f"no GPU can be used: {error}") from None
    raise Missing("no GPU can be used")
