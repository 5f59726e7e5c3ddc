"""The stand-in that runs CUDA source on the CPU: it must fail where a GPU would, or might."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fake_cupy
import fake_kernels
import ml_dtypes
import numpy as np
import pytest
from fake_expressions import ElementwiseKernel, ReductionKernel

RawKernel = fake_kernels.RawKernel


@pytest.fixture(autouse=True)
def _needs_a_compiler() -> None:
    if fake_kernels.compiler() is None:
        pytest.skip("needs a C++ compiler")


@pytest.fixture(params=[0, 1, 5])
def order(request: Any, monkeypatch: Any) -> Iterator[int]:
    monkeypatch.setattr(fake_kernels, "ORDER", [request.param])
    yield request.param


def array(values: Any, dtype: Any = None) -> Any:
    return fake_cupy.dressed(np.array(values, dtype))


def run(code: str, grid: Any, block: Any, *args: Any, **rest: Any) -> None:
    RawKernel('extern "C" __global__ void k' + code, "k")((grid,), (block,), args, **rest)


SUM = r"""(const float* x, float* out, int n) {
    __shared__ float parts[32];
    float sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[blockIdx.x * n + i];
    for (int by = 16; by; by >>= 1) sum += __shfl_%s_sync(0xffffffffu, sum, by);
    if (threadIdx.x %% 32 == 0) parts[threadIdx.x / 32] = sum;
    %s
    if (threadIdx.x == 0) {
        for (int w = 1; w < blockDim.x / 32; ++w) sum += parts[w];
        out[blockIdx.x] = sum;
    }
}"""


@pytest.mark.parametrize("way", ["xor", "down"])
@pytest.mark.parametrize("block", [32, 96, 256])
def test_rows_are_summed(order: int, way: str, block: int) -> None:
    x = array(np.random.default_rng(0).integers(0, 99, (7, 101)), np.float32)
    out = array(np.zeros(7), np.float32)
    run(SUM % (way, "__syncthreads();"), 7, block, x, out, np.int32(101))
    assert np.array_equal(out, np.asarray(x).sum(1))


def test_a_barrier_that_is_missing_shows(monkeypatch: Any) -> None:
    x, found = array(np.ones((2, 64)), np.float32), set()
    for order in (0, 1, 5):
        monkeypatch.setattr(fake_kernels, "ORDER", [order])
        out = array(np.zeros(2), np.float32)
        run(SUM % ("xor", ""), 2, 64, x, out, np.int32(64))
        found.add(tuple(out.tolist()))
    assert len(found) > 1


@pytest.mark.parametrize("code", [
    "(float* x) { if (threadIdx.x < 40) __syncthreads(); x[threadIdx.x] = 1; }",
    "(float* x) { if (threadIdx.x & 1) x[0] = __shfl_sync(0xffffffffu, x[1], 0); }",
    "(float* x) { if (threadIdx.x < 32) __syncthreads(); else __syncwarp(); }",
])  # fmt: skip
def test_threads_that_wait_for_nobody(order: int, code: str) -> None:
    with pytest.raises(RuntimeError, match=r"k: block \(0, 0, 0\) stands still"):
        run(code, 1, 64, array(np.zeros(64), np.float32))


def test_a_warp_that_is_not_whole() -> None:
    x = array(np.zeros(40), np.float32)
    code = "(float* x) { x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1); }"
    with pytest.raises(RuntimeError, match="not there"):
        run(code, 1, 40, x)
    run(code.replace("0xffffffffu", "__ballot_sync(0xffu, 1) | 0xffu"), 1, 8, x)


@pytest.mark.parametrize(("args", "told"), [
    ((1.0,), "argument 0: float64, where the kernel has a parameter of kind 'p'"),
    ((None, np.int64(3), 1.0), "argument 1: 8 bytes, the parameter has 4"),
    ((None, np.int32(3), 1.0), "argument 2: 8 bytes, the parameter has 4"),
    ((None, np.int32(3), np.int32(1)), "argument 2: int32, where .* kind 'f'"),
    ((None, np.float32(3), np.float32(1)), "argument 1: float32, where .* kind 'i'"),
    ((None, np.int32(3)), "takes 3 arguments, not 2"),
    ((np.zeros(3), np.int32(3), np.float32(1)), "argument 0: an array on the host"),
])  # fmt: skip
def test_arguments_are_as_the_kernel_has_them(args: Any, told: str) -> None:
    args = tuple(array([1.0]) if a is None else a for a in args)
    with pytest.raises(TypeError, match=told):
        run("(double* x, int n, float f) {}" if len(args) != 1 else "(double* x) {}", 1, 32, *args)


def test_beyond_the_end() -> None:
    x, out = array([1.0, 2.0]), array([0.0, 0.0])
    with pytest.raises(AssertionError, match="argument 1 float64.2.: written beyond its end"):
        run("(double* x, double* out) { out[threadIdx.x] = x[0]; }", 1, 3, x, out)
    run("(double* x, double* out) { out[threadIdx.x] = x[threadIdx.x + 1]; }", 1, 2, x, out)
    assert out[0] == 2 and np.isnan(np.asarray(out[1]))


@pytest.mark.parametrize(("code", "told"), [
    ("(double* x) {\n *(double*)((char*)x + 4 * (int)x[threadIdx.x]) = 1; }", "line 2: an address"),
    ("(double* x) { double y[2]; y[(int)x[0] + 2] = 1; x[0] = y[0]; }", "line 1: beyond the end"),
    ("(double* x) { x[0] = (int)(x[0] + 2e9) * 2; }", "line 1: a signed integer overflows"),
])  # fmt: skip
def test_what_the_compilers_checks_find(code: str, told: str) -> None:
    with pytest.raises(RuntimeError, match=f"k: {told}"):
        run(code, 1, 2, array([1.0, 1.0, 1.0]))
    run("(double* x) { x[0] = 1; }", 1, 1, array([0.0]))  # nothing is left of it


def test_a_second_sum_needs_a_barrier_before_it(monkeypatch: Any) -> None:
    """What is read of the first sum may be overwritten by a warp that is ahead."""
    code = """(const float* x, float* out) {
        __shared__ float parts[32];
        for (int round = 0; round < 2; ++round) {
            %s
            if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x[threadIdx.x] * (round + 1);
            __syncthreads();
            float sum = 0;
            for (int w = 0; w < blockDim.x / 32; ++w) sum += parts[w];
            out[round * blockDim.x + threadIdx.x] = sum;
        }
    }"""
    x = array(np.ones(96), np.float32)
    for barrier, right in (("__syncthreads();", True), ("", False)):
        outs = []
        for order in (0, 1):
            monkeypatch.setattr(fake_kernels, "ORDER", [order])
            out = array(np.zeros(192), np.float32)
            run(code.replace("%s", barrier).replace("%%", "%"), 1, 96, x, out)
            outs.append(out.tolist() == [3.0] * 96 + [6.0] * 96)
        assert all(outs) == right


def test_one_array_twice_is_one_array() -> None:
    x = array([1.0, 2.0])
    run("(const double* x, double* out) { out[threadIdx.x] += x[1 - threadIdx.x]; }", 1, 2, x, x)
    assert x.tolist() == [3.0, 5.0]


def test_pointers_in_an_array(order: int) -> None:
    arrays = [array(np.ones(n), np.float32) for n in (3, 40, 1)]
    table = array([a.data.ptr for a in arrays], np.uint64)
    sizes = array([a.size for a in arrays], np.int64)
    run(
        "(float* const* x, const long long* n) {"
        " for (int i = threadIdx.x; i < n[blockIdx.x]; i += blockDim.x) x[blockIdx.x][i] += i; }",
        3, 32, table, sizes,
    )  # fmt: skip
    assert all(np.array_equal(a, 1 + np.arange(a.size)) for a in arrays)


def test_atomic_and_dynamic_memory(order: int) -> None:
    out = array(np.zeros(3), np.int32)
    run(
        "(int* out) { extern __shared__ int seen[]; seen[threadIdx.x] = threadIdx.x;"
        " __syncthreads(); atomicAdd(out, seen[blockDim.x - 1 - threadIdx.x]);"
        " atomicMax(out + 1, (int)threadIdx.x); if (__any_sync(0xffffffffu, threadIdx.x == 40))"
        " atomicCAS(out + 2, 0, 7); }",
        2, 64, out, shared_mem=256,
    )  # fmt: skip
    assert out.tolist() == [2 * 64 * 63 // 2, 63, 7]


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_is_numpys(kind: Any) -> None:
    every = np.arange(2**16, dtype=np.uint16).view(kind)
    x, wide = fake_cupy.dressed(every), array(np.zeros(2**16), np.float32)
    name = fake_kernels.TYPES[np.dtype(kind).name]
    run(f"(const {name}* x, float* out) {{ int i = blockIdx.x * 256 + threadIdx.x;"
        " out[i] = (float)x[i]; }", 256, 256, x, wide)  # fmt: skip
    np.testing.assert_array_equal(wide, every.astype(np.float32))
    around = every.astype(np.float32).view(np.uint32)  # and what lies between two, and ties
    mixed = np.random.default_rng(0).integers(0, 2**32, 2**16, dtype=np.uint32)
    for numbers in (mixed, around + (1 << 12), around + (1 << 12) + 1, around + (1 << 15)):
        given = fake_cupy.dressed(numbers.astype(np.uint32).view(np.float32))
        out = fake_cupy.dressed(np.zeros(2**16, kind))
        run(f"(const float* x, {name}* out) {{ int i = blockIdx.x * 256 + threadIdx.x;"
            f" out[i] = ({name})x[i]; }}", 256, 256, given, out)  # fmt: skip
        with np.errstate(over="ignore", invalid="ignore"):
            want = np.asarray(given).astype(kind).astype(np.float32)
        np.testing.assert_array_equal(np.asarray(out).astype(np.float32), want)


def test_templates_and_options() -> None:
    module = fake_kernels.RawModule(
        code="template <class T, int N> __global__ void fill(T* x) { x[threadIdx.x] = N + MORE; }",
        options=("-std=c++17", "-DMORE=2"),
        name_expressions=("fill<float, 3>", "fill<double, 4>"),
    )
    x, y = array(np.zeros(2), np.float32), array(np.zeros(2))
    module.get_function("fill<float, 3>")((1,), (2,), (x,))
    module.get_function("fill<double, 4>")((1,), (2,), (y,))
    assert x.tolist() == [5, 5] and y.tolist() == [6, 6]
    with pytest.raises(KeyError, match="no kernel"):
        module.get_function("empty")((1,), (2,), (x,))


def test_a_source_that_is_no_cuda() -> None:
    with pytest.raises(fake_kernels.CompileException, match="nothing"):
        RawKernel('extern "C" __global__ void k(int n) { nothing; }', "k").compile()


def test_elementwise_broadcasts_and_names_types() -> None:
    kernel = ElementwiseKernel("T x, T y, raw T z", "T out", "out = x * y + z[i]", "k")
    x, y = array([[1.0], [2.0]]), array([1.0, 10.0, 100.0])
    assert kernel(x, y, array(np.arange(6.0))).tolist() == [[1, 11, 102], [5, 24, 205]]
    with pytest.raises(TypeError, match="k: T is float64 and float32"):
        kernel(x, y, array([1], np.float32))
    out = array(np.zeros((2, 3)))
    assert kernel(x, y, array(np.zeros(6)), out) is out and out[1, 2] == 200


def test_reductions() -> None:
    kernel = ReductionKernel("T x, T y", "T out", "x * y", "a + b", "out = -a", "0")
    x = array(np.arange(6.0).reshape(2, 3))
    assert kernel(x, x, axis=1).tolist() == [-5, -50]
    assert kernel(x, x).tolist() == -55
    assert kernel(x, array(1.0), axis=0, keepdims=True).tolist() == [[-3, -5, -7]]
