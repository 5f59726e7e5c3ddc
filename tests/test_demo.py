"""The main job: ``python -m anadrome demo`` trains, saves, reloads; tables of one's own."""

from __future__ import annotations

import math
import random
import re

import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
from anadrome.__main__ import main

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")


def run(tmp_path, capsys, *args):
    status = main(["demo", "--out", str(tmp_path / "out"), *args])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def check_outputs(tmp_path, out):
    assert "predictions identical" in out
    assert (tmp_path / "out" / "picture.png").read_bytes()[:4] == b"\x89PNG"
    assert str(tmp_path / "out" / "picture.png") in out
    assert ad.load(tmp_path / "out" / "weights.safetensors")


def test_digits_reach_97_percent(tmp_path, capsys):
    status, out, err = run(tmp_path, capsys, "--epochs", "6")
    assert status == 0
    accuracy = float(re.search(r"^test accuracy (\d+\.\d) %$", out, re.MULTILINE)[1])
    assert accuracy >= 97
    assert "samples/s" in err
    check_outputs(tmp_path, out)


@pytest.mark.parametrize("options", [("--amp",), ("--checkpoint",)], ids=str)
def test_digits_with_options(tmp_path, capsys, options):
    status, out, _ = run(tmp_path, capsys, "--epochs", "1", *options)
    assert status == 0
    assert float(re.search(r"^test accuracy (\d+\.\d) %$", out, re.MULTILINE)[1]) > 30
    check_outputs(tmp_path, out)


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def gpu(request):
    if request.param == "stand-in":
        request.getfixturevalue("fake")


@pytest.mark.parametrize("options", [("--amp",), ("--amp", "--checkpoint")], ids=str)
def test_digits_on_a_gpu(gpu, tmp_path, capsys, options):
    status, out, _ = run(tmp_path, capsys, "--backend", "cupy", "--epochs", "1", *options)
    assert status == 0
    assert "autocast to float16" in out and "device cuda" in out
    assert float(re.search(r"^test accuracy (\d+\.\d) %$", out, re.MULTILINE)[1]) > 30
    check_outputs(tmp_path, out)


def test_a_seed_gives_one_result(tmp_path, capsys):
    weights = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert run(tmp_path / name, capsys, "--epochs", "1", "--seed", "3")[0] == 0
        weights.append((tmp_path / name / "out" / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


def table(tmp_path, header, rows):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n")
    return path


def test_a_regression_table(tmp_path, capsys):
    rng = random.Random(0)
    rows = []
    for _ in range(300):
        a, b = rng.random(), rng.random()
        rows.append((a, b, round(math.sin(3 * a) + b * b, 5)))
    path = table(tmp_path, ("a", "b", "y"), rows)
    status, out, _ = run(tmp_path, capsys, "--csv", str(path), "--target", "y", "--epochs", "60")
    assert status == 0
    assert float(re.search(r"^test R² (-?\d+\.\d+)", out, re.MULTILINE)[1]) > 0.8
    check_outputs(tmp_path, out)


def test_a_classification_table_with_text_classes(tmp_path, capsys):
    rng = random.Random(1)
    rows = []
    for _ in range(200):
        kind = rng.choice(["left", "right"])
        rows.append((rng.gauss(-1 if kind == "left" else 1, 0.3), rng.random(), kind))
    path = table(tmp_path, ("x", "noise", "side"), rows)
    status, out, _ = run(tmp_path, capsys, "--csv", str(path), "--target", "side", "--epochs", "20")
    assert status == 0
    assert float(re.search(r"^test accuracy (\d+\.\d) %$", out, re.MULTILINE)[1]) > 90


GOOD = [(i / 7, i % 3, i % 2) for i in range(60)]


@pytest.mark.parametrize(
    ("header", "rows", "target", "words"),
    [
        (("a", "b", "y"), GOOD, "z", ["z", "a", "b", "y"]),
        (("a", "b", "y"), [*GOOD, ("oops", 1, 0)], "y", ["a", "oops"]),
        (("a", "b", "y"), [*GOOD, ("nan", 1, 0)], "y", ["a", "nan"]),
        (("a", "b", "y"), [*GOOD, ("", 1, 0)], "y", ["a", "missing"]),
        (("a", "b", "y"), [(*row[:2], "same") for row in GOOD], "y", ["y", "one"]),
        (("a", "b", "y"), [], "y", ["no"]),
        (("a", "b", "y"), GOOD[:2], "y", ["2"]),
    ],
    ids=[
        "missing column",
        "text cell",
        "nan",
        "empty cell",
        "one class",
        "header only",
        "few rows",
    ],
)
def test_bad_tables_give_one_clear_line(tmp_path, capsys, header, rows, target, words):
    path = table(tmp_path, header, rows)
    status, _, err = run(tmp_path, capsys, "--csv", str(path), "--target", target)
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_missing_and_empty_files(tmp_path, capsys):
    status, _, err = run(tmp_path, capsys, "--csv", str(tmp_path / "no.csv"), "--target", "y")
    assert (status, "no.csv" in err) == (2, True)
    (tmp_path / "empty.csv").write_text("")
    status, _, err = run(tmp_path, capsys, "--csv", str(tmp_path / "empty.csv"), "--target", "y")
    assert (status, "empty" in err) == (2, True)


def test_a_backend_that_is_not_there_is_named(tmp_path, capsys):
    if ad.cuda.is_available():
        pytest.skip("there is a GPU here")
    status, _, err = run(tmp_path, capsys, "--backend", "cupy")
    assert status == 2
    assert err.startswith("error: ")
    assert "CuPy" in err or "cupy" in err or "GPU" in err
