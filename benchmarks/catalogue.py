"""Every benchmark: importing this module fills the tables of `registry`, in this order."""

from . import workloads  # isort: skip
from . import checkpointing, long_chain, capturing, sentinels, idle, startup  # isort: skip

__all__ = ["capturing", "checkpointing", "idle", "long_chain", "sentinels", "startup", "workloads"]
