"""The factors by which a scale grows and shrinks, asked for and set."""

from __future__ import annotations

from anadrome.border import Bordered


class Settings(Bordered):
    """What a ``GradScaler`` goes by. Raises AssertionError for a factor that does not work."""

    _enabled = True

    def __init__(self, growth_factor: float, backoff_factor: float, growth_interval: int) -> None:
        if not growth_factor > 1.0:
            raise AssertionError(f"The growth factor must be > 1.0, not {growth_factor}.")
        if not backoff_factor < 1.0:
            raise AssertionError(f"The backoff factor must be < 1.0, not {backoff_factor}.")
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after ``growth_interval`` good iterations."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set it."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after an iteration with an infinity or NaN."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set it."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good iterations in a row are followed by growth."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set it."""
        self._growth_interval = new_interval
