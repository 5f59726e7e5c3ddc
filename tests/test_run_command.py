"""`anadrome run`: scripts of PyTorch run in a fresh process, where `import torch` is anadrome."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Writes a script, runs it, returns the finished process."""

    def call(script: str, *args: str, before: tuple[str, ...] = (), name: str = "train.py") -> Any:
        (tmp_path / name).write_text(script, encoding="utf-8")
        target = name.removesuffix(".py") if "-m" in before else name
        return subprocess.run(
            [sys.executable, "-m", "anadrome", "run", *before, target, *args],
            cwd=tmp_path, capture_output=True, text=True, timeout=120,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    return call


TRAINING = """
import torch
import torch.nn as nn
import torch.optim as optim
import torch.utils
from torch import Tensor
from torch.nn import functional as F
import torch.nn.functional as G

assert F is G is torch.nn.functional
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
optimizer = optim.SGD(model.parameters(), lr=0.1)
x = torch.ones(5, 3, dtype=torch.float32)
first = None
for _ in range(20):
    loss = F.mse_loss(model(x), torch.zeros(5, 1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    first = loss.item() if first is None else first
assert isinstance(loss, torch.Tensor) and isinstance(loss, Tensor)
assert type(model[1]) == nn.ReLU
print("better" if loss.item() < first else "worse")
"""


def test_an_unmodified_training_script_runs(run):
    done = run(TRAINING)
    assert done.stderr == ""
    assert done.stdout == "better\n"
    assert done.returncode == 0


def test_the_version_is_pytorchs_and_says_whose_it_is(run):
    done = run("import torch; print(torch.__version__); print(torch.__name__)")
    assert done.stdout.startswith("2.13.0+anadrome")
    assert done.stdout.endswith("\ntorch\n")


def test_types_are_shown_as_pytorchs(run):
    done = run(
        "import torch, pickle\nx = torch.nn.Parameter(torch.ones(2))\n"
        "print(type(x.data), type(x), type(x.data).__module__)\n"
        "torch.save([x, x.data], 'x.pt')\n"
        "print(torch.load('x.pt'), *pickle.loads(pickle.dumps([x, torch.Tensor])))\n"
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == (
        "<class 'torch.Tensor'> <class 'torch.nn.parameter.Parameter'> torch"
    )
    assert done.stdout.endswith(" <class 'torch.Tensor'>\n")


def test_the_script_is_run_as_python_runs_it(run, tmp_path):
    (tmp_path / "helper.py").write_text("import torch\nvalue = torch.ones(2).sum()\n")
    script = (
        "import sys, __main__\nimport helper\n"
        "print(sys.argv, __name__, __file__ == __main__.__file__, helper.value.item())\n"
        "print(sys.modules['__main__'].helper is helper)\n"
    )
    done = run(script, "--epochs", "3", "--report", "-m", "--help", "--", "x")
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "['train.py', '--epochs', '3', '--report', '-m', '--help', '--', 'x'] __main__ True 2.0"
    )
    assert lines[1] == "True"


def test_a_module_is_run_with_m(run):
    done = run("import sys, torch; print(__name__, sys.argv[1:])", "--lr", "1", before=("-m",))
    assert done.stdout == "__main__ ['--lr', '1']\n"


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("import sys; sys.exit(3)", 3),
        ("raise SystemExit", 0),
        ("import sys; sys.exit('text')", 1),
        ("1 / 0", 1),
        ("def broken(:", 1),
    ],
)
def test_exit_statuses_are_the_scripts(run, script, status):
    assert run(script).returncode == status


def test_a_traceback_begins_in_the_script(run):
    done = run("def f():\n    return 1 / 0\n\nf()\n")
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert 'train.py", line 4, in <module>' in lines[1]
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "anadrome" not in done.stderr


def test_a_missing_script_is_refused(run, tmp_path):
    command = [sys.executable, "-m", "anadrome", "run"]
    done = subprocess.run([*command, "nowhere.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "can't open file 'nowhere.py'" in done.stderr
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "needs a script" in done.stderr


@pytest.mark.parametrize(
    ("line", "kind", "name"),
    [
        ("torch.conv_tbc(1)", "AttributeError", "torch.conv_tbc"),
        ("torch.nn.functional.scaled_grouped_mm", "AttributeError",
         "torch.nn.functional.scaled_grouped_mm"),
        ("from torch import conv_tbc", "ImportError", "torch.conv_tbc"),
        ("from torch.nn.functional import scaled_mm", "ImportError",
         "torch.nn.functional.scaled_mm"),
        ("import torch.monitor.more", "ImportError", "torch.monitor"),
        ("torch.ones(2).sspaddmm", "AttributeError", "torch.Tensor.sspaddmm"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_there_is_named(run, line, kind, name):
    done = run(f"import torch\n{line}\n")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"{kind}: {name} is not covered by anadrome yet.")
    assert "anadrome run --coverage" in last
    assert "docs/coverage.md" in last


def test_a_name_that_pytorch_lacks_too_is_told_apart(run):
    done = run("import torch\ntorch.onse(2)\n")
    assert done.stderr.splitlines()[-1] == (
        "AttributeError: torch.onse is not covered by anadrome, and PyTorch 2.13.0 has no such name"
    )
    done = run("import torch\ntorch.ones(2).nonsense\n")
    assert done.stderr.splitlines()[-1].startswith(
        "AttributeError: 'Tensor' object has no attribute 'nonsense'"
    )


def test_files_of_pytorchs_packages_are_places_to_import_from(run):
    done = run(
        "import torch\nimport torch.nn.modules.utils\n"
        "from torch.nn.modules.activation import MultiheadAttention\n"
        "from torch.nn.modules.upsampling import Upsample\n"
        "from torch.nn.modules.conv import _ConvNd\n"
        "from torch.nn.utils.weight_norm import weight_norm\n"
        "from torch.optim.adamw import AdamW\n"
        "from torch.distributions.transformed_distribution import TransformedDistribution\n"
        "from torch.utils.data._utils.collate import default_collate\n"
        "assert MultiheadAttention is torch.nn.MultiheadAttention\n"
        "assert Upsample is torch.nn.Upsample and issubclass(torch.nn.Conv2d, _ConvNd)\n"
        "assert weight_norm is torch.nn.utils.weight_norm and AdamW is torch.optim.AdamW\n"
        "assert TransformedDistribution is torch.distributions.TransformedDistribution\n"
        "assert default_collate is torch.utils.data.default_collate\n"
        "print(torch.nn.modules.utils._pair(3))\n"
    )
    assert done.stderr == ""
    assert done.stdout == "(3, 3)\n"


def test_what_is_for_pytorchs_compiler_changes_nothing(run):
    done = run(
        "import torch, torch._dynamo, torch._inductor.config as config, torch.onnx\n"
        "from torch.jit import Final\nfrom torch import Tensor\n"
        "torch._dynamo.config.suppress_errors = True\nconfig.max_autotune = True\n"
        "@torch.jit.script\ndef f(x: Tensor) -> Tensor:\n    return x * 2\n"
        "@torch.compiler.disable\ndef g(x):\n    return x + 1\n"
        "@torch.compiler.disable(recursive=False)\ndef h(x):\n    return x\n"
        "model = torch.jit.trace(torch.jit.script(torch.nn.Linear(1, 1)), torch.ones(1, 1))\n"
        "assert not torch.jit.is_scripting() and not torch.compiler.is_compiling()\n"
        "assert not torch.xpu.is_available() and not torch.mps.device_count()\n"
        "print(h(g(f(torch.ones(1)))).item(), list(model.state_dict()))\n"
        "torch.jit.save(model, 'model.pt')\n"
    )
    assert done.stdout == "3.0 ['weight', 'bias']\n"
    assert done.stderr.splitlines()[-1].startswith("RuntimeError: jit.save(): anadrome compiles no")


def test_programs_may_ask_whether_a_name_is_there(run):
    done = run(
        "import torch\nprint(hasattr(torch, 'conv_tbc'), hasattr(torch, 'ones'))\n"
        "print(hasattr(torch.ones(1), 'sspaddmm'))\n"
        "try:\n    import torch.monitor\nexcept ImportError:\n    print('none')\n"
    )
    assert done.stdout == "False True\nFalse\nnone\n"


def test_the_report_lists_the_names_that_were_used(run):
    done = run(
        "import torch\nfrom torch.nn import Linear\nimport torch.nn.functional as F\n"
        "y = F.relu(Linear(2, 2)(torch.ones(1, 2))).sum()\ny.backward()\n"
        "hasattr(torch, 'conv_tbc')\nprint('done')\n1 / 0\n",
        before=("--report",),
    )
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "done", "",
        "torch names used: 5",
        "  torch.Tensor.backward", "  torch.Tensor.sum", "  torch.nn.Linear",
        "  torch.nn.functional.relu", "  torch.ones",
        "asked for, and not covered by anadrome yet: 1",
        "  torch.conv_tbc",
    ]  # fmt: skip
    assert "ZeroDivisionError" in done.stderr


def test_a_setting_reaches_anadrome(run):
    done = run(
        "import torch\ntorch.nn.functional.mine = 3\nimport anadrome\n"
        "print(anadrome.nn.functional.mine, torch.nn.functional.mine)\n"
    )
    assert done.stdout == "3 3\n"


def test_coverage_is_listed(tmp_path):
    command = [sys.executable, "-m", "anadrome", "run", "--coverage"]
    options: Any = {"cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run(command, **options)
    assert done.stdout.startswith("torch: covered ")
    done = subprocess.run([*command, "torch.nn"], **options)
    assert "\nLinear: covered\n" in done.stdout
    done = subprocess.run([*command, "torch.nowhere"], **options)
    assert done.returncode == 2
    assert "no list for 'torch.nowhere'" in done.stderr


def test_functorch_comes_with_torch(run):
    done = run(
        "import functorch, torch\n"
        "from functorch import jvp, make_functional, vmap\n"
        "f, params = make_functional(torch.nn.Linear(2, 1))\n"
        "print(functorch.vmap is vmap, len(params), f(params, torch.ones(3, 2)).shape)\n"
    )
    assert done.stderr == ""
    assert done.stdout == "True 2 torch.Size([3, 1])\n"


def test_files_of_a_run_program_are_read_back(run):
    """Its classes have PyTorch's names, and are ours for all that."""
    script = """
import io, torch
file = io.BytesIO()
torch.save(torch.nn.Linear(2, 3).state_dict() | {"p": torch.nn.Parameter(torch.ones(2))}, file)
file.seek(0)
print(list(torch.load(file, weights_only=True)))
"""
    done = run(script)
    assert done.stderr == "" and done.stdout == "['weight', 'bias', 'p']\n"


STARTED_AFRESH = """
import multiprocessing
import sys
import torch
import torch.multiprocessing as mp

def work(model, x, results):
    results.put((torch.__version__, type(model.weight) is torch.nn.Parameter, model(x).tolist()))

if __name__ == "__main__":
    mp.set_start_method(sys.argv[1])
    model, x, results = torch.nn.Linear(2, 1), torch.ones(1, 2), mp.SimpleQueue()
    process = mp.Process(target=work, args=(model, x, results))
    process.start()
    process.join()
    assert not process.exitcode, process.exitcode
    print(results.get() == (torch.__version__, True, model(x).tolist()))
    loader = torch.utils.data.DataLoader(torch.arange(4), num_workers=1, batch_size=2)
    print([batch.tolist() for batch in loader])
"""


@pytest.mark.parametrize(
    "method", [m for m in multiprocessing.get_all_start_methods() if m != "fork"]
)
def test_processes_that_are_started_afresh_have_it_too(run, method):
    done = run(STARTED_AFRESH, method)
    assert done.stderr == ""
    assert done.stdout == "True\n[[0, 1], [2, 3]]\n"


def test_so_have_they_where_the_module_that_starts_them_was_imported_before(tmp_path):
    (tmp_path / "train.py").write_text(STARTED_AFRESH, encoding="utf-8")
    first = "import multiprocessing.spawn; from anadrome.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", first, "run", "train.py", "spawn"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.stderr, done.stdout) == ("", "True\n[[0, 1], [2, 3]]\n")


def test_the_version_is_compared_as_one(run):
    done = run("import torch; v = torch.__version__; print(v >= '2.4', v > (1, 6), v < '10')")
    assert done.stdout.split() == ["True", "True", "True"], done.stderr
