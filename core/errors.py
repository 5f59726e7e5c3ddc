"""errors: the classes of our own errors; each is also the class PyTorch would raise."""

from __future__ import annotations

from pickle import UnpicklingError


class AnadromeError(Exception):
    """Base of the errors that are ours."""


class GraphError(AnadromeError, RuntimeError):
    """The graph cannot answer what was asked of it."""


class AlreadyFreedError(GraphError):
    """A second backward through values that the first one freed."""


class ModifiedInPlaceError(GraphError):
    """A saved value was changed in place before backward needed it."""


class NoDerivativeError(GraphError, NotImplementedError):
    """A gradient was asked through an op that has no rule for it."""


class ShapeError(AnadromeError, RuntimeError, ValueError):
    """Shapes that do not fit the op."""


class RangeError(AnadromeError, IndexError, RuntimeError):
    """An index, or a class number, outside what there is."""


class DomainError(AnadromeError, RuntimeError, ValueError):
    """A value outside those that the function is defined for."""


class LinAlgError(AnadromeError, RuntimeError):
    """A matrix that cannot be inverted or factored (PyTorch: ``torch.linalg.LinAlgError``)."""


class DeviceError(AnadromeError, RuntimeError):
    """Arrays of two devices in one op, or a device that is not there."""


class OutOfMemoryError(AnadromeError, MemoryError, RuntimeError):
    """A device has no memory left for an array (PyTorch: ``torch.OutOfMemoryError``)."""


class DtypeError(AnadromeError, RuntimeError, TypeError):
    """An element type that the op does not take."""


class ArgumentError(AnadromeError, TypeError):
    """An argument that is not of the kind that the function takes."""


class NoValuesError(AnadromeError, NotImplementedError):
    """Values were asked of a Tensor that has a shape and a dtype only."""


class MissingKeyError(AnadromeError, KeyError):
    """A name that a dictionary of the caller's should have."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would quote it


class UnsupportedError(DtypeError, NotImplementedError):
    """An element type that the function is not written for."""


class DeclarationError(AnadromeError, TypeError):
    """An op declaration that contradicts itself; raised when the op is declared."""


class BackendError(AnadromeError, RuntimeError):
    """A backend that is unknown, absent or broken."""


class PluginError(AnadromeError, RuntimeError):
    """A plugin that is asked for but not there."""


class CaptureError(AnadromeError, RuntimeError):
    """Code that cannot become a flat program."""


class SerializationError(AnadromeError, RuntimeError, UnpicklingError, ValueError):
    """A file that cannot be read as what it should be."""
