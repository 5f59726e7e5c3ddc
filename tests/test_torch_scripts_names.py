"""Names that training scripts use beside the main ones: what they give is what PyTorch gives."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def numbers(L: Any, *shape: int, scale: float = 0.37) -> Any:
    count = 1
    for n in shape:
        count *= n
    return L.sin(L.arange(count, dtype=L.float64) * scale).reshape(shape)


def same(program: Any) -> Any:
    out = []
    for L in (ad, torch):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                found = program(L)
            except Exception as error:
                found = type(error).__name__, str(error)
        out.append((found, [w.category for w in told]))
    assert out[0] == out[1]
    return out[0]


GEOMETRIES = {"plain": (1, 0, 1, 1), "strided": (2, 1, 1, 1), "dilated": (1, 2, 2, 2)}


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_gradients_of_convolutions(dims: int, geometry: str) -> None:
    stride, padding, dilation, groups = GEOMETRIES[geometry]

    def gradients(L: Any) -> Any:
        if L is ad:
            from anadrome.nn import grad
        else:
            from torch.nn import grad
        x = numbers(L, 2, 4, *[6, 5, 7][:dims])
        w = numbers(L, 2, 4 // groups, *[3] * dims, scale=0.7).requires_grad_()
        convolve = getattr(L.nn.functional, f"conv{dims}d")
        out = convolve(x, w, None, stride, padding, dilation, groups)
        g = numbers(L, *out.shape, scale=0.21).requires_grad_()
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        of_x = getattr(grad, f"conv{dims}d_input")(x.shape, w, g, **options)
        of_w = getattr(grad, f"conv{dims}d_weight")(x, w.shape, g, **options)
        (of_x.sum() + (of_w**2).sum()).backward()
        with L.no_grad():
            plain = getattr(grad, f"conv{dims}d_input")(x.shape, w, g, **options)
        assert not plain.requires_grad
        return [t.detach().numpy() for t in (of_x, of_w, w.grad, g.grad)]

    for ours, theirs in zip(gradients(ad), gradients(torch)):
        assert ours.shape == theirs.shape
        assert abs(ours - theirs).max() < 1e-9


@pytest.mark.parametrize("largest", [None, True, False])
@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_some_eigenvalues(largest: Any, general: bool, batch: Any) -> None:
    def program(L: Any) -> Any:
        a = numbers(L, *batch, 9, 9)
        a = a @ a.mT + L.eye(9, dtype=L.float64)
        b = numbers(L, *batch, 9, 9, scale=1.3)
        b = b @ b.mT + 2 * L.eye(9, dtype=L.float64) if general else None
        values, vectors = L.lobpcg(a, 3, b, largest=largest, niter=200, tol=1e-12)
        rest = a @ vectors - (vectors if b is None else b @ vectors) * values.unsqueeze(-2)
        assert rest.abs().max() < 1e-5
        return values.numpy()

    assert abs(program(ad) - program(torch)).max() < 1e-6


def test_refused_eigenvalues() -> None:
    same(lambda L: L.lobpcg(L.eye(5), k=2))
    a = ad.diag(ad.arange(1.0, 10.0)).requires_grad_()
    ad.lobpcg(a, 2)[0].sum().backward()
    assert a.grad is not None and a.grad.diag().tolist() == [0.0] * 7 + [1.0, 1.0]
    with pytest.raises(ValueError, match="tracker"):
        ad.lobpcg(ad.eye(9), tracker=print)


def test_which_modules_run() -> None:
    def program(L: Any) -> Any:
        if L is ad:
            from anadrome.utils.module_tracker import ModuleTracker
        else:
            from torch.utils.module_tracker import ModuleTracker
        seen: list[Any] = []

        class Inner(L.nn.Module):
            def forward(self, x: Any) -> Any:
                seen.append((sorted(tracker.parents), tracker.is_bw))
                x.register_hook(lambda g: seen.append((sorted(tracker.parents), tracker.is_bw)))
                return x * 2

        class Outer(L.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first = Inner()
                self.rest = L.nn.Sequential(Inner(), L.nn.Tanh())

            def forward(self, x: Any) -> Any:
                return self.rest(self.first(x).exp())

        with ModuleTracker() as tracker:
            x = L.ones(2, requires_grad=True)
            y = Outer()(x * 1)
            seen.append(sorted(tracker.parents))
            y.sum().backward()
            seen.append((sorted(tracker.parents), tracker.is_bw))
        return seen

    same(program)


def test_throughput() -> None:
    def program(L: Any) -> Any:
        bench = L.utils.ThroughputBenchmark(L.nn.Linear(2, 1))
        bench.add_input(L.ones(1, 2))
        stats = bench.benchmark(num_calling_threads=2, num_warmup_iters=1, num_iters=20)
        lines = [line.split(":")[0] for line in str(stats).splitlines()]
        assert stats.latency_avg_ms > 0 and stats.iters_per_second > 0
        return lines, stats.num_iters >= 20, tuple(bench.run_once(L.ones(1, 2)).shape)

    same(program)


@pytest.mark.parametrize("times", [{"time_us": 3.5}, {"time_ms": 12.0}, {"time_s": 2.0}, {}])
def test_times_are_told(times: Any) -> None:
    def program(L: Any) -> Any:
        if L is ad:
            from anadrome.utils.throughput_benchmark import format_time
        else:
            from torch.utils.throughput_benchmark import format_time
        return format_time(**times)

    same(program)


@pytest.mark.parametrize(
    "pair", [(1.0, 1.00005), (1.0, 1.001), (float("nan"), float("nan")), (1.0, 2.0)]
)
@pytest.mark.parametrize("kind", ["float32", "float64", "float16"])
def test_the_older_comparison(pair: Any, kind: str) -> None:
    def program(L: Any) -> Any:
        a = L.tensor([pair[0]], dtype=getattr(L, kind))
        try:
            L.testing.assert_allclose(a, L.tensor([pair[1]]))
            return True
        except AssertionError:
            return False

    same(program)


def test_arguments_of_checkpoints() -> None:
    def program(L: Any) -> Any:
        from importlib import import_module

        c = import_module(f"{L.__name__}.utils.checkpoint")
        x = L.ones(2, requires_grad=True) * 2
        found = c.detach_variable((x, 3, L.ones(1)))
        c.check_backward_validity([L.ones(1), 2])
        c.check_backward_validity([x])
        out = [found[0].is_leaf, found[0].requires_grad, found[1], found[2].requires_grad]
        try:
            c.detach_variable([x])
        except RuntimeError as error:
            out.append(str(error))
        return out

    same(program)


@pytest.mark.skipif(ad.cuda.is_available(), reason="asks what there is without a GPU")
def test_questions_about_gpus() -> None:
    def program(L: Any) -> Any:
        c = L.cuda
        return (
            len(c.default_generators), c.has_magma, c.memory_cached(), c.max_memory_cached(),
            c.is_tf32_supported(), c.has_half,
        )  # fmt: skip

    same(program)
    same(lambda L: L.cuda.set_per_process_memory_fraction(1) if L is ad else _as_with_cuda(1))
    same(lambda L: L.cuda.set_per_process_memory_fraction(1.5) if L is ad else _as_with_cuda(1.5))
    assert ad.cuda.cudart().cudaProfilerStart() == 0 and ad.cuda.nccl.version() == (0, 0, 0)
    with ad.cuda.profiler.profile():
        assert ad.cuda.memory_snapshot() == []


def _as_with_cuda(fraction: Any) -> None:
    """What PyTorch says of the argument, which it looks at where there is a GPU."""
    if not isinstance(fraction, float):
        raise TypeError("Invalid type for fraction argument, must be `float`")
    raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")


def test_what_the_driver_says(monkeypatch: Any) -> None:
    with pytest.raises(ModuleNotFoundError, match="nvidia-ml-py"):
        monkeypatch.setitem(sys.modules, "pynvml", None)
        ad.cuda.utilization(0)
    rates = types.SimpleNamespace(gpu=40, memory=7)
    library = types.SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetUtilizationRates=lambda handle: rates,
        nvmlDeviceGetMemoryInfo=lambda handle: types.SimpleNamespace(used=5),
        nvmlDeviceGetTemperature=lambda handle, sensor: 50 + handle,
        nvmlDeviceGetPowerUsage=lambda handle: 1000,
        nvmlDeviceGetClockInfo=lambda handle, kind: 1500 * kind,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    c = ad.cuda
    found = c.utilization(0), c.memory_usage(0), c.device_memory_used(0), c.temperature(1)
    assert found == (40, 7, 5, 51) and (c.power_draw(0), c.clock_rate(0)) == (1000, 1500)


def test_errors_between_processes() -> None:
    d = ad.distributed
    assert issubclass(d.DistBackendError, d.DistError) and issubclass(d.DistError, RuntimeError)
    assert d.get_debug_level().name == torch.distributed.get_debug_level().name
    d.init_process_group("gloo", world_size=1, rank=0)
    try:
        x, y = ad.ones(2), ad.full((1,), 3.0)
        d.all_reduce_coalesced([x, y])
        out = [[ad.zeros(2), ad.zeros(1)]]
        d.all_gather_coalesced(out, [x, y])
        assert [t.tolist() for t in out[0]] == [[1.0, 1.0], [3.0]]
    finally:
        d.destroy_process_group()


def test_what_the_cpu_can() -> None:
    ours, theirs = ad.cpu.get_capabilities(), torch.cpu.get_capabilities()
    assert ours["architecture"] == theirs["architecture"]
    assert ours.get("avx2", False) == theirs.get("avx2", False)


def test_activities_and_events() -> None:
    from anadrome.autograd.profiler_util import EventList, FunctionEvent, FunctionEventAvg
    from anadrome.profiler import ProfilerActivity, supported_activities

    assert ProfilerActivity.CPU in supported_activities()
    with ad.profiler.profile(activities=supported_activities()) as prof:
        ad.ones(2).exp()
    assert isinstance(prof.events(), EventList)
    assert isinstance(prof.events()[0], FunctionEvent)
    assert isinstance(prof.key_averages()[0], FunctionEventAvg)


def test_parallel_styles_are_refused() -> None:
    from anadrome.distributed.tensor.parallel import ColwiseParallel, parallelize_module

    for name in (ColwiseParallel, parallelize_module):
        with pytest.raises(RuntimeError, match="one process"):
            name()


def test_switches_of_the_gpus_libraries() -> None:
    from anadrome.backends import cuda

    assert cuda.preferred_linalg_library("magma") == cuda.preferred_blas_library() == "default"
    with pytest.raises(RuntimeError, match="Unknown input value"):
        cuda.preferred_linalg_library("paper")
    cuda.enable_cudnn_sdp(True)
    assert not cuda.is_flash_attention_available() and not cuda.cudnn_sdp_enabled()
    model = ad.nn.Conv2d(1, 1, 1)
    convert = ad.nn.utils.convert_conv2d_weight_memory_format
    assert convert(model, ad.channels_last) is model
