"""optim: optimizers and learning rate schedulers (PyTorch: ``torch.optim``).

In reading order: ``optimizer`` (groups, state, saving), ``stepping`` (what is called around a
step), ``written`` (what optimizers written for PyTorch ask for), ``flat`` (one update of many
parameters), ``pieces`` (of large ones), ``plan`` (which, and where their state lives), ``together``
(all in one call, and steps that the device leaves out), ``sgd``, ``lr_scheduler``. Adam comes from
a plugin.
"""

from . import lr_scheduler as lr_scheduler
from .flat import FlatOptimizer
from .optimizer import Optimizer
from .pieces import blocks
from .sgd import SGD

__all__ = ["SGD", "FlatOptimizer", "Optimizer", "blocks", "lr_scheduler"]
