"""absent: questions about devices for which there is no backend (``torch.xpu``, ``torch.mps``)."""

from __future__ import annotations


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Nothing to empty."""


def synchronize(device: object = None) -> None:
    """Nothing to wait for."""


is_initialized = is_bf16_supported = is_available


def seed() -> None:
    """Nothing to seed."""


seed_all = seed


def memory_allocated(device: object = None) -> int:
    """0."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated
current_allocated_memory = driver_allocated_memory = device_count


def reset_peak_memory_stats(device: object = None) -> None:
    """Nothing was counted."""


def get_arch_list() -> list[str]:
    """None."""
    return []


def current_device() -> int:
    """RuntimeError: ask ``is_available()`` first."""
    raise RuntimeError(
        "there is no such device here; ask is_available() first, and use 'cpu' or 'cuda'"
    )


def _no_device(*args: object, **keywords: object) -> object:
    """RuntimeError: ask ``is_available()`` first."""
    return current_device()


Stream = Event = current_stream = set_device = get_device_name = get_device_properties = _no_device
get_device_capability = mem_get_info = get_rng_state = set_rng_state = _no_device
recommended_max_memory = _no_device
