"""NVIDIA's libraries under the CuPy backend: what is asked of them, and what is done without them.

On stand-ins that compute with NumPy (`fake_nvidia`); with the packages themselves, where they are
installed, as far as goes without a GPU; and on a GPU, beside the composed path.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import fake_cublaslt
import fake_cudnn
import fake_cupy
import fake_nvidia
import numpy as np
import pytest
from fake_cublaslt import CALLS
from test_backend_cupy import fake  # noqa: F401  (the fixture)
from test_cupy_table import check
from test_cupy_training import trained

import anadrome as ad
import anadrome.nn.functional as F
from anadrome import backend
from anadrome.__main__ import main

# ruff: noqa: F811
CONVOLUTIONS = ("convolution", "conv_input", "conv_weight")


@pytest.fixture
def versions() -> dict[str, str]:
    """Of the packages that are installed."""
    return dict(fake_nvidia.VERSIONS)


@pytest.fixture
def libraries(monkeypatch: Any, request: Any, versions: dict[str, str]) -> Iterator[Any]:
    """The CuPy backend with the stand-ins beside it."""
    real = metadata.version

    def version(package: str) -> str:
        if package not in fake_nvidia.VERSIONS:
            return real(package)
        if package not in versions:
            raise metadata.PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(metadata, "version", version)
    for name, module in fake_nvidia.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    CALLS.clear()
    yield request.getfixturevalue("fake")


def asked(name: str) -> list[dict[str, Any]]:
    return [facts for what, facts in CALLS if what == name]


def drawn(*shape: int, kind: str = "float32", device: str = "cuda") -> Any:
    values = np.random.default_rng(shape).normal(size=shape)
    return ad.tensor(values, dtype=getattr(ad, kind), device=device)


# -- the bias of a product -------------------------------------------------------------------------
BOUNDS = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}


@pytest.mark.parametrize("kind", BOUNDS)
@pytest.mark.parametrize("lead", [(3,), (2, 5)])
def test_linear_adds_its_bias_in_the_product(libraries: Any, kind: str, lead: Any) -> None:
    x, w, b = drawn(*lead, 6, kind=kind), drawn(4, 6, kind=kind), drawn(4, kind=kind)
    got = F.linear(x, w, b)
    want = F.linear(*(t.cpu().double() for t in (x, w, b)))
    np.testing.assert_allclose(got.double().tolist(), want.tolist(), BOUNDS[kind], BOUNDS[kind])
    (call,) = asked("matmul")
    assert call["kind"] == kind and call["shape"] == (int(np.prod(lead)), 4)
    assert call["transposed"] == 1
    assert call["compute"] == (70 if kind == "float64" else 68)


def test_addmm_of_a_vector_does_too(libraries: Any) -> None:
    x, a, b = drawn(4), drawn(3, 5), drawn(5, 4)
    for right in (b, b.T.contiguous().T):
        got = ad.addmm(x, a, right)
        np.testing.assert_allclose(got.tolist(), (x + a @ b).tolist(), 1e-5, 1e-5)
    assert [c["transposed"] for c in asked("matmul")] == [0, 1]
    ad.addmm(x, a, b, beta=2.0)
    ad.addmm(drawn(3, 4), a, b)
    assert len(asked("matmul")) == 2


def test_products_run_on_the_stream_that_is_current(libraries: Any) -> None:
    x, w, b = drawn(3, 6), drawn(4, 6), drawn(4)
    picture, kernel = drawn(1, 2, 4, 4), drawn(3, 2, 3, 3)
    with ad.cuda.stream(ad.cuda.Stream()) as stream:
        F.linear(x, w, b)
        F.conv2d(picture, kernel)
    number = CALLS[0][1]["stream"]
    assert number and [facts["stream"] for _, facts in CALLS] == [number, number]
    del stream
    F.conv2d(picture, kernel)
    assert CALLS[-1][1]["stream"] == fake_cupy.Stream.null.ptr


def test_tf32_is_asked_for_where_it_is_allowed(libraries: Any) -> None:
    x, w, b = drawn(3, 6), drawn(4, 6), drawn(4)
    picture, kernel = drawn(1, 2, 4, 4), drawn(3, 2, 3, 3)
    barred = []
    for precision in ("highest", "high", "highest"):
        ad.set_float32_matmul_precision(precision)
        F.linear(x, w, b)
        F.conv2d(picture, kernel)
        barred.append(CALLS[-1][1]["barred"])
    assert [c["compute"] for c in asked("matmul")] == [68, 77, 68]
    assert barred == [["TENSOR_CORE", "DOWN_CONVERT_INPUTS"], [], barred[0]]
    F.conv2d(picture.half(), kernel.half())
    assert CALLS[-1][1]["barred"] == []


def test_each_device_has_its_own_handle_and_plans(libraries: Any) -> None:
    before = fake_cublaslt.CublasLt.handles
    for device in ("cuda:0", "cuda:1", "cuda:1"):
        x, w, b = (t.to(device) for t in (drawn(3, 6), drawn(4, 6), drawn(4)))
        assert str(F.linear(x, w, b).device) == device
    assert fake_cublaslt.CublasLt.handles == before + 2 and len(asked("matmul")) == 3


def test_what_the_product_refuses_is_added_behind_it(libraries: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(fake_cublaslt.CublasLt, "refuses", (np.float64,))
    x, w, b = (drawn(*s, kind="float64") for s in ((3, 6), (4, 6), (4,)))
    for _ in range(2):
        np.testing.assert_allclose(F.linear(x, w, b).tolist(), (x @ w.T + b).tolist())
    assert not asked("matmul")
    told = libraries.describe()["bias of a linear layer"]
    assert "refused for 1 problems, the last: cuBLASLt has no algorithm for float64 (3, 6)" in told


def test_arrays_that_begin_anywhere_go_the_other_way(libraries: Any) -> None:
    w = drawn(4 * 6 + 1)[1:].reshape(4, 6)
    assert w._data.data.ptr % 16
    F.linear(drawn(3, 6), w, drawn(4))
    assert not asked("matmul")


# -- convolution -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_pass_the_tables_checks(libraries: Any, monkeypatch: Any, name: str) -> None:
    from anadrome.backends.cupy import pending

    monkeypatch.setattr(pending, "strict", True)
    check(name, ("float64", "float32"))
    wanted = {"convolution": "conv_fprop", "conv_input": "conv_dgrad", "conv_weight": "conv_wgrad"}
    assert asked(wanted[name])


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("spatial", "how"), [
    ((7,), {"stride": 2, "padding": 1}), ((5, 6), {"padding": (1, 0), "dilation": (1, 2)}),
    ((3, 4, 5), {"stride": (1, 2, 1)}), ((6, 6), {"groups": 2, "padding": 1}),
])  # fmt: skip
def test_values_and_gradients_are_the_cpus(
    libraries: Any, kind: str, spatial: Any, how: Any
) -> None:
    f = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[len(spatial)]
    shapes = (2, 4, *spatial), (6, 4 // how.get("groups", 1), *(2,) * len(spatial)), (6,)
    found = []
    for device, dtype in (("cuda", getattr(ad, kind)), ("cpu", ad.float64)):
        tensors = [drawn(*s, kind=kind).to(device).to(dtype).requires_grad_() for s in shapes]
        y = f(*tensors, **how)
        (y * y).sum().backward()
        found.append([y, *(t.grad for t in tensors)])
    for got, want in zip(*found):
        np.testing.assert_allclose(
            got.double().tolist(), want.tolist(), 5 * BOUNDS[kind], 60 * BOUNDS[kind]
        )
    assert [what for what, _ in CALLS] == ["conv_fprop", "conv_dgrad", "conv_wgrad"]
    call = CALLS[0][1]
    assert call["kind"] == kind and len(call["shape"]) == max(4, 2 + len(spatial))
    if len(spatial) == 1:
        assert (call["stride"], call["padding"], call["dilation"]) == ([1, 2], [0, 1], [1, 1])


def test_a_problem_that_cudnn_refuses_is_composed(libraries: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(fake_cudnn.pygraph, "refuses", staticmethod(lambda op, t: t[0].dim[1] == 3))
    for channels in (3, 2, 3):
        x, w = drawn(1, channels, 4, 4), drawn(2, channels, 3, 3)
        np.testing.assert_allclose(
            F.conv2d(x, w).tolist(), F.conv2d(x.cpu(), w.cpu()).tolist(), 1e-5, 1e-5
        )
    assert len(asked("conv_fprop")) == 1
    told = libraries.describe()["convolution"]
    assert told.startswith("cuDNN 91900; refused for 1 problems, the last: no engine for it; else")


def test_what_is_wrong_is_said_as_without_it(libraries: Any) -> None:
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual"):
        F.conv2d(drawn(1, 2, 3, 3), drawn(2, 2, 5, 5))


def test_deterministic_plans_where_they_are_asked_for(libraries: Any) -> None:
    x, w = drawn(1, 2, 4, 4, kind="float16"), drawn(2, 2, 3, 3, kind="float16")
    ad.use_deterministic_algorithms(True)
    try:
        F.conv2d(x, w)
    finally:
        ad.use_deterministic_algorithms(False)
    F.conv2d(x, w)
    switches = ad.backends.cudnn
    with switches.flags(enabled=True, deterministic=True):
        F.conv2d(x, w)
    with switches.flags(enabled=False):
        F.conv2d(x, w)
    barred = [["NONDETERMINISTIC"], [], ["NONDETERMINISTIC"]]
    assert [c["barred"] for c in asked("conv_fprop")] == barred
    assert switches.is_available() and switches.version() == 91900


def test_training_is_that_of_the_cpu(libraries: Any) -> None:
    there, here = trained("pictures", "cuda", "SGD"), trained("pictures", "cpu", "SGD")
    np.testing.assert_allclose(there, here, rtol=2e-4, atol=2e-4)
    assert {what for what, _ in CALLS} >= {"matmul", "conv_fprop", "conv_wgrad"}


# -- where they are not ----------------------------------------------------------------------------
def both_composed() -> None:
    F.linear(drawn(3, 6), drawn(4, 6), drawn(4))
    F.conv2d(drawn(1, 2, 4, 4), drawn(3, 2, 3, 3))
    assert not CALLS


@pytest.mark.parametrize(("versions", "told"), [
    ({}, ("nvmath-python is not installed", "nvidia-cudnn-frontend is not installed")),
    ({"nvmath-python": "0.9.0", "nvidia-cudnn-frontend": "1.5"},
     ("nvmath-python 0.9.0 is too old: 1.0 or", "nvidia-cudnn-frontend 1.5 is too old: 1.32 or")),
])  # fmt: skip
def test_a_package_that_is_missing_or_too_old(libraries: Any, capsys: Any, told: Any) -> None:
    both_composed()
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert all(text in out for text in told) and 'pip install "anadrome[cuda-fast]"' in out


def test_a_package_without_its_library(libraries: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(fake_cudnn.Cudnn, "whole", False)
    monkeypatch.setattr(fake_cublaslt.CublasLt, "get_version", lambda self: 1 / 0)
    both_composed()
    assert not ad.backends.cudnn.is_available()
    told = libraries.describe()
    assert "cannot be used: Unable to find symbol cudnnGetVersion" in told["convolution"]
    assert "cannot be used: division by zero" in told["bias of a linear layer"]


def test_the_environment_switches_them_off(monkeypatch: Any, request: Any) -> None:
    monkeypatch.setenv("ANADROME_CUDA_LIBRARIES", "0")
    libraries = request.getfixturevalue("libraries")
    both_composed()
    assert "switched off by ANADROME_CUDA_LIBRARIES=0" in libraries.describe()["convolution"]


def test_info_says_what_is_used(libraries: Any, capsys: Any) -> None:
    main(["info"])
    out = capsys.readouterr().out
    assert "bias of a linear layer: in the product, by cuBLASLt's epilogue" in out
    assert "convolution: cuDNN 91900; else windows, and products by cuBLAS" in out


# -- the packages themselves, without a GPU --------------------------------------------------------
def parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def package(name: str) -> Any:
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"needs {name}")
    return importlib.import_module(name)


def test_cublaslts_bindings_are_as_the_stand_in_has_them() -> None:
    lt = package("nvmath.bindings.cublasLt")
    cublas = package("nvmath.bindings.cublas")
    functions = {n: f for n, f in vars(fake_cublaslt.CublasLt).items() if inspect.isfunction(f)}
    for name, function in functions.items():
        if not name.startswith("_"):
            assert parameters(getattr(lt, name)) == parameters(function), name
    for ours in (fake_cublaslt.MatmulDescAttribute, fake_cublaslt.MatmulPreferenceAttribute,
                 fake_cublaslt.Epilogue):  # fmt: skip
        theirs = getattr(lt, ours.__name__)
        assert all(int(theirs[e.name]) == e for e in ours if e.name in theirs.__members__)
    needed = {"TRANSA", "TRANSB", "EPILOGUE", "BIAS_POINTER"}
    assert needed <= set(lt.MatmulDescAttribute.__members__)
    assert all(int(cublas.ComputeType[e.name]) == e for e in fake_cublaslt.ComputeType)
    ask = {
        fake_cublaslt.MatmulDescAttribute: lt.get_matmul_desc_attribute_dtype,
        fake_cublaslt.MatmulPreferenceAttribute: lt.get_matmul_preference_attribute_dtype,
    }
    for (kind, number), dtype in fake_cublaslt.KINDS.items():
        assert ask[kind](getattr(lt, kind.__name__)(number)) is dtype
    fields = lt.matmul_heuristic_result_dtype
    assert [fields.fields[n][1] for n in ("algo", "workspace_size", "state")] == [0, 64, 72]
    result = lt.MatmulHeuristicResult(1)
    assert type(result.ptr) is int and all(hasattr(result, n) for n in ("workspace_size", "state"))


def test_cudnns_graphs_are_as_the_stand_in_has_them(fake: Any) -> None:
    from anadrome.backends.cupy import graphs

    cudnn = package("cudnn")
    if not hasattr(cudnn, "pygraph"):
        pytest.skip("needs nvidia-cudnn-frontend")
    for name in ("__init__", "tensor", "execute", "create_execution_plans"):
        known = parameters(getattr(fake_cudnn.pygraph, name))
        assert parameters(getattr(cudnn.pygraph, name))[: len(known)] == known, name
    assert parameters(cudnn.set_stream) == ["handle", "stream"]
    for name in ("TENSOR_CORE", "DOWN_CONVERT_INPUTS", "NONDETERMINISTIC"):
        assert hasattr(cudnn.numerical_note, name)
    geometry = {"padding": [1, 1], "stride": [2, 1], "dilation": [1, 1]}
    image, kernel, result = (2, 4, 6, 5), (6, 2, 3, 3), (2, 6, 3, 5)
    for op, names, shapes in (
        ("conv_fprop", ("image", "weight"), (image, kernel, result)),
        ("conv_dgrad", ("loss", "filter"), (result, kernel, image)),
        ("conv_wgrad", ("image", "loss"), (image, result, kernel)),
    ):
        graph = graphs.Graph(cudnn, None, np.dtype(np.float16))
        given = [graph.input(n, s) for n, s in zip((1, 2), shapes)]
        out = getattr(graph.whole, op)(**dict(zip(names, given)), **geometry)
        graph.output(3, out, shapes[2])
        assert (out.uid, tuple(out.dim), out.is_virtual) == (3, shapes[2], False)
        (node,) = graph.whole.nodes
        assert node.params == geometry and set(node.inputs) == set(names)
        steps = ("validate", "build_operation_graph", "check_support", "build_plans",
                 "get_workspace_size", "deselect_numeric_notes")  # fmt: skip
        assert all(callable(getattr(graph.whole, step)) for step in steps)


# -- on a GPU --------------------------------------------------------------------------------------
def _needs(module: str) -> Any:
    found = importlib.import_module(f"anadrome.backends.cupy.{module}").LIBRARY
    if found.opened() is None:
        pytest.skip(found.why)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", BOUNDS)
def test_gpu_bias_in_the_product(kind: str) -> None:
    backend.get("cupy")
    _needs("epilogues")
    from anadrome.backends.cupy import epilogues

    for m, k, n in ((3, 8, 16), (64, 128, 256), (257, 33, 9)):
        a, b, x = (drawn(*s, kind=kind) for s in ((m, k), (n, k), (n,)))
        got = epilogues.product_and_bias(a._data, b._data.T, x._data)
        if got is not None:
            want = (a.double() @ b.double().T + x.double()).tolist()
            np.testing.assert_allclose(
                got.astype("float64").get(), want, BOUNDS[kind], BOUNDS[kind]
            )
    assert kind == "float64" or epilogues.PLANS.found


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_gpu_convolution_beside_the_composed_one(name: str, kind: str) -> None:
    cupy = backend.get("cupy")
    _needs("graphs")
    how = {"stride": (2, 1), "padding": (1, 1), "dilation": (1, 1)}
    image, weight, result = (2, 8, 9, 7), (16, 8, 3, 3), (2, 16, 5, 7)
    shapes, more = {
        "convolution": ((image, weight), {}),
        "conv_input": ((result, weight), {"shape": image}),
        "conv_weight": ((result, image), {"shape": weight}),
    }[name]
    arrays = [drawn(*s, kind=kind)._data for s in shapes]
    got = cupy.kernels[name](*arrays, **more, **how)
    want = cupy.composed(ad.op.table[name])(*arrays, **more, **how)
    scale = float(abs(want.astype("float64")).max())
    np.testing.assert_allclose(
        got.astype("float64").get(), want.astype("float64").get(), 0, 4 * BOUNDS[kind] * scale
    )
