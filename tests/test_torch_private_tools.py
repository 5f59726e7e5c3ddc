"""Names of PyTorch's private modules that packages for it (tensordict, for one) import and call."""

from __future__ import annotations

import gc
import importlib
from typing import Any

import pytest

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")


def of(L: Any, name: str) -> Any:
    return importlib.import_module(f"{L.__name__}.{name}")


def both(run: Any) -> None:
    assert run(ad) == run(torch)


def test_the_dimension_of_a_map_is_hidden_and_shown() -> None:
    def run(L: Any) -> Any:
        levels = of(L, "_C._functorch")
        seen: list[Any] = []

        def inner(x: Any) -> Any:
            seen.append((levels.is_batchedtensor(x), levels.maybe_get_level(x)))
            seen.append(levels.get_unwrapped(x).shape == (3, 2))
            held = levels._add_batch_dim(L.arange(6).reshape(2, 3), 1, 1)
            seen.append((tuple(held.shape), levels.is_batchedtensor(held)))
            out = levels._remove_batch_dim(held * 2, 1, 3, 1)
            seen.append((out.tolist(), levels.is_batchedtensor(out)))
            return x * 2

        out = L.func.vmap(inner)(L.ones(3, 2))
        x = L.ones(3)
        seen.append((out.tolist(), levels.is_batchedtensor(x), levels.maybe_get_level(x)))
        return seen

    both(run)


def test_what_leaves_a_map() -> None:
    def run(L: Any) -> Any:
        removed = of(L, "_functorch.vmap")._maybe_remove_batch_dim
        x = L.ones(2)
        told = [removed("f", x, 1, 2, None) is x]
        for out in (3, None):
            with pytest.raises(ValueError, match="must only return Tensors"):
                removed("f", out, 1, 2, 0)
        return told

    both(run)


def test_a_dictionary_of_tensors_by_identity() -> None:
    def run(L: Any) -> Any:
        for name in ("WeakIdKeyDictionary", "WeakTensorKeyDictionary"):
            x, y = L.ones(2), L.ones(2)
            held = getattr(of(L, "utils.weak"), name)({x: 1})
            held[y] = 2
            told = [len(held), held[x], held[y], L.ones(2) in held, [k is x for k in held]]
            del y
            gc.collect()
            told += [len(held), held.pop(x), len(held), held.get(x)]
            with pytest.raises(KeyError):
                held[x]
        return told

    both(run)


def test_a_context_that_is_a_decorator() -> None:
    def run(L: Any) -> Any:
        seen: list[str] = []

        class Noted(of(L, "utils._contextlib")._DecoratorContextManager):  # type: ignore[misc]
            def __enter__(self) -> None:
                seen.append("in")

            def __exit__(self, *error: Any) -> None:
                seen.append("out")

        @Noted()
        def doubled(x: int) -> int:
            seen.append("call")
            return 2 * x

        with Noted():
            pass
        return seen, [doubled(1), doubled(2)], doubled.__name__, seen

    both(run)


def test_a_tensor_of_a_module_is_swapped() -> None:
    def run(L: Any) -> Any:
        swap = of(L, "nn.utils._named_member_accessor").swap_tensor
        module = L.nn.BatchNorm1d(2)
        before = module.weight
        told = [swap(module, "weight", L.zeros(2)) is before, type(module.weight) is L.Tensor]
        told += [swap(module, "running_mean", L.ones(2)).tolist(), module.running_mean.tolist()]
        told += [swap(module, "weight", None).tolist(), "weight" in module._parameters]
        for name in ("house", "a.b", ""):
            with pytest.raises((AttributeError, KeyError)):
                swap(module, name, L.ones(2))
        return told

    both(run)


def test_seeds_of_workers() -> None:
    def run(L: Any) -> Any:
        state = of(L, "utils.data._utils.worker")._generate_state
        return [state(seed, number) for seed, number in ((5, 0), (2**40 + 7, 3), (2**63 + 9, 2))]

    both(run)


def test_trees_and_kinds_of_leaves() -> None:
    def run(L: Any) -> Any:
        trees = of(L, "utils._pytree")
        values = (1, [1], (), {}, None, L.ones(1), L.ones(2).max(0))
        leaf = [trees.tree_is_leaf(v) for v in values]
        return (
            leaf, trees.tree_is_leaf([1], lambda v: True), trees._list_flatten([1, 2]),
            trees._list_unflatten((1, 2), None), str(trees._list_flatten_with_keys([7])[0][0]),
            trees.is_structseq_instance((1,)),
        )  # fmt: skip

    both(run)


def test_storages_devices_and_modes() -> None:
    def run(L: Any) -> Any:
        x = L.ones(4)
        of_c, helpers = of(L, "_C"), of(L, "_utils")
        told = [of_c._is_alias_of(x, x[1:]), of_c._is_alias_of(x, x.clone())]
        told += [isinstance(x.untyped_storage(), L.StorageBase), isinstance(x, L.StorageBase)]
        told += [
            of_c._is_torch_function_mode_enabled(),
            helpers._get_device_module("cuda") is L.cuda,
        ]

        class Mode(L.overrides.TorchFunctionMode):  # type: ignore[misc]
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
                return func(*args, **(kwargs or {}))

        with Mode():
            told.append(of_c._is_torch_function_mode_enabled())
        return told

    both(run)
    assert ad.nn.modules.module._global_parameter_registration_hooks == {}


@pytest.mark.parametrize("name", ["qint8", "quint8", "qint32", "quint4x2", "quint2x4"])
def test_quantized_types_are_names(name: str) -> None:
    def run(L: Any) -> Any:
        kind = getattr(L, name)
        return kind.itemsize, kind.is_floating_point, kind.is_complex, kind in {kind, L.int8}

    both(run)
    with pytest.raises(RuntimeError, match=f"has no {name}; it has"):
        ad.zeros(2, dtype=getattr(ad, name))


def test_values_of_a_file_are_shared_with_it_or_not(tmp_path: Any) -> None:
    def run(L: Any) -> Any:
        path = str(tmp_path / f"{L.__name__}.bin")
        x = L.from_file(path, shared=True, size=4)
        told = [x.tolist(), x.dtype is L.float32]
        x[1] = 3.0
        y = L.from_file(path, size=2, dtype=L.float32)
        told.append(y.tolist())
        y[0] = 9.0
        told += [
            L.from_file(path, False, 4).tolist(),
            L.from_file(path, size=1, dtype=L.int64).tolist(),
        ]
        with pytest.raises(RuntimeError):
            L.from_file(path, False, 400)
        return told

    both(run)


def test_a_tensor_of_another_is_of_its_dtype() -> None:
    def run(L: Any) -> Any:
        class Mine(L.Tensor):  # type: ignore[misc]
            pass

        x = L.arange(3)
        y, z = L.Tensor(x), Mine(x)
        told = [
            y.tolist(),
            str(y.dtype).split(".")[1],
            y.data_ptr() == x.data_ptr(),
            type(z) is Mine,
        ]
        with pytest.raises(TypeError):
            L.FloatTensor(x)
        return told

    both(run)
