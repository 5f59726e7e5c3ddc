"""signal: for pieces of signals (PyTorch: ``torch.signal``)."""

from . import windows as windows
