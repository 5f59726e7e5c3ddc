"""The documentation is true: code runs, signatures are the real ones, commands are those of CI."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
import run_page

import anadrome as ad
from anadrome import hookspecs, manager
from anadrome.__main__ import main
from anadrome.op import table

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
HOOKS = [
    name
    for name, spec in vars(hookspecs).items()
    if getattr(spec, "anadrome_spec", None) is not None
]
#: The three source folders and the packages they are.
SOURCES = {"core": "anadrome", "backends": "anadrome.backends", "plugins": "anadrome.plugins"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def in_fresh_python(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run Python elsewhere, so that what a page registers stays there."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **variables},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_on_pages_runs_and_prints_what_it_says(page, tmp_path):
    done = in_fresh_python(str(ROOT / "tests" / "run_page.py"), str(page), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("```python\n1 / 0\n```\n", "ZeroDivisionError"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "where the page says"),
        ("```pycon\n>>> 1 + 1\n3\n```\n", "Expected"),
        ("```python\nx = 1\n```\n\n```python\ny\n```\n", "NameError"),
    ],
)
def test_a_wrong_block_is_found(block, problem, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(block, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (found,) = run_page.run(page)
    assert problem in found


def test_blocks_of_a_page_share_a_namespace_and_may_be_left_out(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 1\n```\n```pycon\n>>> x + 1\n2\n```\n```python {.no-run}\n1 / 0\n```\n"
        '```python title="lib/of.py"\ny = 3\n```\n```python\nfrom lib.of import y\nprint(x + y)\n'
        "```\n```text\n4\n```\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run_page.run(page) == []


# -- hooks ----------------------------------------------------------------------------------------
def one_line(code: str) -> str:
    """Without the line breaks, and last commas, that the formatter puts into long signatures."""
    return re.sub(r"\s+", " ", code).replace("( ", "(").replace(", )", ")")


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_a_page_with_its_exact_signature(hook):
    page = (DOCS / "hooks" / f"{hook}.md").read_text(encoding="utf-8")
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    assert f" def {hook}{signature}: ... " in one_line(page)
    for heading in ("When it fires.", "What may be returned.", "What it costs.", "Who uses it."):
        assert f"**{heading}**" in page
    assert f"[`{hook}`]({hook}.md)" in (DOCS / "hooks" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_a_test(hook):
    others = [p for p in (ROOT / "tests").glob("*.py") if p != Path(__file__)]
    assert any(hook in p.read_text(encoding="utf-8") for p in others)


@pytest.mark.parametrize("hook", HOOKS)
def test_bundled_users_of_a_hook_are_the_ones_named(hook):
    bundled = {n: p for n, p in manager.plugins.items() if p.source.startswith("anadrome (")}
    users = sorted(n for n, p in bundled.items() if hasattr(p.module, hook))
    assert users, f"no bundled plugin uses {hook}"
    page = (DOCS / "hooks" / f"{hook}.md").read_text(encoding="utf-8")
    for text in (page, inspect.getdoc(getattr(hookspecs, hook))):
        said = re.search(r"Bundled(?: users?)?:\s((?:`+[\w-]+`+,?\s?)+)", text)
        assert said is not None, text
        assert re.findall(r"[\w-]+", said[1]) == users


def test_optimizers_that_announce_no_update_are_the_ones_named():
    page = (DOCS / "hooks" / "before_update.md").read_text(encoding="utf-8")
    said = re.search(r"all the bundled ones but\s(.*?)\.", page, re.S)
    assert said is not None
    bundled = [getattr(ad.optim, name) for name in dir(ad.optim)]
    classes = [c for c in bundled if isinstance(c, type) and issubclass(c, ad.optim.Optimizer)]
    without = {c.__name__ for c in classes if not c.announces_update} - {"Optimizer"}
    assert set(re.findall(r"`(\w+)`", said[1])) == without


def test_no_page_for_a_hook_that_is_gone():
    assert {p.stem for p in (DOCS / "hooks").glob("*.md")} - {"index"} == set(HOOKS)


# -- docstrings -----------------------------------------------------------------------------------
def modules_with_examples() -> list[str]:
    found = []
    for folder, package in SOURCES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ">>>" in path.read_text(encoding="utf-8"):
                parts = path.relative_to(ROOT / folder).with_suffix("").parts
                found.append(".".join([package, *(p for p in parts if p != "__init__")]))
    return found


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_run(name, monkeypatch):
    if ".cupy" in name:
        pytest.skip("needs a GPU")
    if ".tensorboard" in name:
        pytest.importorskip("tensorboard")
    if sys.version_info < (3, 11):  # its doctest takes the last line for the error: maybe a note
        parts = traceback.format_exception_only
        monkeypatch.setattr(traceback, "format_exception_only", lambda *e: ["".join(parts(*e))])
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=run_page.FLAGS)
    assert result.failed == 0
    assert result.attempted > 0 or any(ops_of(module))


def ops_of(module: Any) -> list[Any]:
    return [o for o in table.values() if o.forward.__module__ == module.__name__ and o.doc]


@pytest.mark.parametrize("op", [o for o in table.values() if ">>>" in (o.doc or "")], ids=repr)
def test_examples_in_declarations_run(op):
    test = doctest.DocTestParser().get_doctest(op.doc, {}, op.name, None, None)
    assert doctest.DocTestRunner(optionflags=run_page.FLAGS).run(test).failed == 0


# -- the rest -------------------------------------------------------------------------------------
def test_readme_commands_are_the_ones_ci_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    demo = 'pip install -e ".[demo]" && python -m anadrome demo'
    suite = 'pip install -e ".[test]" && pytest'
    assert f"\n{demo}\n" in readme
    assert f"\n{suite}\n" in readme
    assert suite in ci
    assert any(line.startswith(demo) for line in ci)


def test_readme_has_a_place_for_the_figures():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.index("<!-- benchmarks:start -->") < readme.index("<!-- benchmarks:end -->")
    assert "python -m benchmarks" in readme


def test_the_tour_is_thirty_lines():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tour = [b for b in run_page.blocks(readme) if b.title == "tour.py"]
    assert len(tour) == 1
    assert 25 <= sum(bool(line) for line in tour[0].code.split("\n")) <= 32


def test_the_reading_order_is_the_docstring_of_core():
    """The list in ``core/__init__.py`` is that of architecture.md, and names every file."""
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    listed = (ad.__doc__ or "").split("\n\n")[2].strip()
    assert listed.startswith("1. ``dtypes``")
    assert listed.replace("``", "`") in page
    files = {p.stem + "/" * p.is_dir() for p in (ROOT / "core").iterdir() if "__" not in p.name}
    assert not [f for f in files - {"py.typed", "py"} if f"``{f}``" not in (ad.__doc__ or "")]


def test_the_table_of_ops_has_every_op():
    spec = importlib.util.spec_from_file_location("ops_table", DOCS / "_ops_table.py")
    assert spec is not None and spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    page = (DOCS / "ops.md").read_text(encoding="utf-8")
    made = hook.on_page_markdown(page)
    for name in table:
        assert f"\n| `{name}` | " in made
    assert hook.row(table["tanh"]) == "| `tanh` | x | x: out | `FLOAT` |  | `TanhBackward0` |"
    assert hook.row(table["mul"]) == "| `mul` | a, b | a: b<br>b: a | `SAME` |  | `MulBackward0` |"
    assert "condition: `NONE`" in hook.row(table["where"])
    assert hook.row(table["floor"]).count("`ZERO`") == 1


def test_the_page_on_backends_names_every_member():
    page = (DOCS / "backends.md").read_text(encoding="utf-8")
    given = {"implementation", "composed", "dtype", "dtypes"}  # not to be overridden
    members = {*vars(ad.Backend), *ad.Backend.__annotations__} - given
    missing = [m for m in members if not m.startswith("_") and not re.search(rf"`{m}[`(]", page)]
    assert not missing


def test_the_command_line_page_names_every_command_and_option(capsys):
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    for command in ("info", "plugins", *manager.commands()):
        assert f"## anadrome {command}\n" in page
        with pytest.raises(SystemExit):
            main([command, "--help"])
        for option in set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}:
            assert f"`{option}" in page or f" {option} " in page, option


def lay_out(page: str, folder: Path) -> None:
    """The package of a page, as pip would install it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    files = {b.title: b.code for b in run_page.blocks(text) if b.is_file}
    project = files.pop("pyproject.toml")
    for name, code in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(code, encoding="utf-8")
    name = re.search(r'^name = "(.+)"$', project, re.M)
    entry = re.search(r'^\[project\.entry-points\."anadrome"\]\n(\w+) = "(\w+)"$', project, re.M)
    assert name is not None and entry is not None
    info = folder / f"{name[1].replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name[1]}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[anadrome]\n{entry[1]} = {entry[2]}\n")


def test_the_plugin_of_the_page_is_found_by_its_entry_point(tmp_path):
    lay_out("plugins.md", tmp_path)
    listing = in_fresh_python(
        "-m", "anadrome", "plugins", folder=tmp_path, PYTHONPATH=str(tmp_path)
    )
    line = next(text for text in listing.stdout.splitlines() if text.startswith("snake "))
    assert line == "snake 1.0  from anadrome-snake (anadrome_snake)  loaded"
    ran = in_fresh_python("-m", "anadrome", "snake", "0", folder=tmp_path, PYTHONPATH=str(tmp_path))
    assert ran.stdout == "0.0\n"

    disabled = in_fresh_python(
        "-m", "anadrome", "plugins", folder=tmp_path,
        PYTHONPATH=str(tmp_path), ANADROME_DISABLE_PLUGINS="snake",
    )  # fmt: skip
    line = next(text for text in disabled.stdout.splitlines() if text.startswith("snake "))
    assert line.endswith("NOT LOADED: disabled by ANADROME_DISABLE_PLUGINS")


def test_the_backend_of_the_page_is_found_by_its_entry_point_and_loaded_late(tmp_path):
    lay_out("backends.md", tmp_path)
    code = (
        "import sys, anadrome as ad\n"
        "print('array_api_strict' in sys.modules, ad.ones(2, device='strict').device)\n"
        "print(ad.ones(2).device)"
    )
    path = str(tmp_path)
    done = in_fresh_python("-c", code, folder=tmp_path, PYTHONPATH=path)
    assert done.stdout == "False strict\ncpu\n", done.stderr
    done = in_fresh_python("-c", code, folder=tmp_path, PYTHONPATH=path, ANADROME_BACKEND="strict")
    assert done.stdout == "False strict\nstrict\n", done.stderr


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert f": {page.relative_to(DOCS).as_posix()}\n" in nav


@pytest.mark.parametrize("page", ["docs/index.md", "README.md"])
def test_the_front_pages_lead_to_every_page(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#]+\.md)", path.read_text(encoding="utf-8"))
    found = {(path.parent / link).resolve() for link in links}
    own = {p for p in DOCS.glob("*.md") if p.name != "index.md"}
    assert not own - found
