"""A table of the user's own: a CSV file in, arrays out, and a clear word on what is in the way."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .data import CLASSIFICATION, REGRESSION, Split
from .errors import DemoError

MINIMUM_ROWS = 20
# Whole numbers are classes when there are few of them and each has rows enough to learn from.
MAXIMUM_NUMBERED_CLASSES = 20
ROWS_PER_CLASS = 5
MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}


@dataclass
class Table:
    """The cells as text. `lines[i]` is the line of the file on which row `i` ends."""

    path: str
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]

    def where(self, column: str, row: int) -> str:
        """Name a cell as the user sees it: data rows count from 1, lines include the header."""
        return f"{self.path}: column {column!r}, row {row + 1} (line {self.lines[row]})"

    def cells(self, column: str) -> list[str]:
        """One column, top to bottom."""
        index = self.columns.index(column)
        return [row[index] for row in self.rows]


def load_table(path: str, target: str, seed: int, held_out: float = 0.25) -> Split:
    """Read the CSV file `path`, hold a quarter of its rows out, and prepare `target` to be learnt.

    Raises `DemoError` for everything that a user's file can have wrong with it. What scales the
    inputs (and a regression target) is measured on the training rows only, so that nothing about
    the held-out rows leaks into the training.
    """
    from sklearn.model_selection import train_test_split

    table = read_csv(path)
    if target not in table.columns:
        known = ", ".join(table.columns)
        raise DemoError(f"{path} has no column {target!r}; its columns are: {known}")
    if len(table.rows) < MINIMUM_ROWS:
        raise DemoError(
            f"{path} has {len(table.rows)} rows; at least {MINIMUM_ROWS} are needed to train on "
            "some and test on others"
        )
    names = [name for name in table.columns if name != target]
    if not names:
        raise DemoError(f"{path} has no column besides {target!r} to predict it from")
    kind, values, classes = read_target(table, target)
    inputs = np.stack([read_feature(table, name) for name in names], axis=1)

    train_x, test_x, train_y, test_y = train_test_split(
        inputs,
        values,
        test_size=held_out,
        stratify=values if kind == CLASSIFICATION else None,
        random_state=seed,
    )
    offset, scale = centre_and_spread(train_x)
    train_x = ((train_x - offset) / scale).astype(np.float32)
    test_x = ((test_x - offset) / scale).astype(np.float32)
    if kind == CLASSIFICATION:
        return Split(train_x, train_y, test_x, test_y, kind, classes, target)
    offset, scale = centre_and_spread(train_y)
    train_y = ((train_y - offset) / scale).astype(np.float32)[:, None]
    test_y = ((test_y - offset) / scale).astype(np.float32)[:, None]
    return Split(train_x, train_y, test_x, test_y, kind, [], target, float(offset), float(scale))


def centre_and_spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column; a constant column's spread counts as one."""
    spread = values.std(axis=0)
    return values.mean(axis=0), np.where(spread > 0, spread, 1.0)


def read_csv(path: str) -> Table:
    """The file's cells, stripped of surrounding blanks; empty lines are skipped."""
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        # utf-8-sig: spreadsheets like to write a byte-order mark before the first column's name.
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            delimiter = guess_delimiter(file.readline())
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    rows.append([cell.strip() for cell in cells])
                    lines.append(reader.line_num)
    except FileNotFoundError:
        raise DemoError(f"no such file: {path}") from None
    except UnicodeDecodeError:
        raise DemoError(f"{path} is not UTF-8 text; save the table as CSV in UTF-8") from None
    except csv.Error as error:
        raise DemoError(f"{path} cannot be read as CSV: {error}") from None
    except OSError as error:
        raise DemoError(f"cannot read {path}: {error.strerror}") from None
    if not rows:
        raise DemoError(f"{path} is empty; its first line should name the columns")
    columns = rows.pop(0)
    lines.pop(0)
    if not rows:
        raise DemoError(f"{path} has a header but no rows below it")
    check_shape(path, columns, rows, lines)
    return Table(path, columns, rows, lines)


def guess_delimiter(header: str) -> str:
    """Comma, semicolon or tab: the one that the header has most of."""
    return max(",;\t", key=header.count)


def check_shape(path: str, columns: list[str], rows: list[list[str]], lines: list[int]) -> None:
    """Each column has a name of its own, and each row a cell for each column."""
    for index, name in enumerate(columns):
        if not name:
            raise DemoError(
                f"{path}: column {index + 1} has no name in the header; name it, or leave it out "
                "if it only numbers the rows"
            )
        if name in columns[:index]:
            raise DemoError(f"{path}: two columns are named {name!r}")
    for index, row in enumerate(rows):
        if len(row) != len(columns):
            raise DemoError(
                f"{path}: row {index + 1} (line {lines[index]}) has {len(row)} cells, "
                f"the header {len(columns)}"
            )


def number(cell: str) -> float | None:
    """The cell's number, or None when it is text. (Python would take 1_000 for a number.)"""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def read_feature(table: Table, name: str) -> np.ndarray:
    """A column of finite numbers as float64, or the first cell that is none."""
    values = []
    for row, cell in enumerate(table.cells(name)):
        if cell.lower() in MISSING:
            shown = f" ({cell!r})" if cell else ""
            raise DemoError(
                f"{table.where(name, row)} is missing{shown}; fill it in, or leave the row out"
            )
        value = number(cell)
        if value is None:
            raise DemoError(
                f"{table.where(name, row)} is text: {cell!r}; inputs must be numbers, so encode "
                "the column as numbers or leave it out"
            )
        if not math.isfinite(value):
            raise DemoError(f"{table.where(name, row)} is not a finite number: {cell!r}")
        values.append(value)
    return np.array(values)


def read_target(table: Table, name: str) -> tuple[str, np.ndarray, list[str]]:
    """(kind, values, class names), the kind found from the column itself.

    Text is classes. Numbers are classes when they are whole, at most twenty, and have five rows
    each on average; other numbers are a quantity to predict.
    """
    cells = table.cells(name)
    for row, cell in enumerate(cells):
        # Only these two: a class may well be called "none".
        if cell.lower() in ("", "nan"):
            raise DemoError(f"{table.where(name, row)} is missing; leave the row out")
    if len(set(cells)) == 1:
        raise DemoError(
            f"{table.path}: column {name!r} is {cells[0]!r} in every row: one class only, "
            "nothing to learn"
        )
    numbers = [number(cell) for cell in cells]
    if any(value is None for value in numbers):
        values, classes = read_classes(table, name, cells, numbers)
        return CLASSIFICATION, values, classes
    quantity = np.array(numbers, dtype=np.float64)
    for row in map(int, np.flatnonzero(~np.isfinite(quantity))):
        raise DemoError(f"{table.where(name, row)} is not a finite number: {cells[row]!r}")
    levels, values, counts = np.unique(quantity, return_inverse=True, return_counts=True)
    if len(levels) == 1:
        raise DemoError(
            f"{table.path}: column {name!r} is {cells[0]!r} in every row: one class only, "
            "nothing to learn"
        )
    most = min(MAXIMUM_NUMBERED_CLASSES, len(cells) // ROWS_PER_CLASS)
    if (levels != np.round(levels)).any() or len(levels) > most or counts.min() < 2:
        return REGRESSION, quantity, []
    return CLASSIFICATION, values.astype(np.int64), [f"{level:.0f}" for level in levels]


def read_classes(
    table: Table, name: str, cells: list[str], numbers: list[float | None]
) -> tuple[np.ndarray, list[str]]:
    """Class numbers and names of a column of text, or why its values are not classes."""
    classes, values, counts = np.unique(cells, return_inverse=True, return_counts=True)
    if len(classes) * ROWS_PER_CLASS > len(cells):
        text = numbers.index(None)
        stray = sum(value is None for value in numbers) * 2 < len(numbers)
        hint = (
            f"most cells are numbers, but row {text + 1} (line {table.lines[text]}) is "
            f"{cells[text]!r}"
            if stray
            else f"at least {ROWS_PER_CLASS} rows a class are needed on average"
        )
        raise DemoError(
            f"{table.path}: column {name!r} has {len(classes)} different values in "
            f"{len(cells)} rows, too many to be classes: {hint}"
        )
    rarest = int(counts.argmin())
    if counts[rarest] < 2:
        raise DemoError(
            f"{table.path}: column {name!r} has the class {str(classes[rarest])!r} in one row "
            "only; a class needs two, one to learn from and one to test on"
        )
    return values.astype(np.int64), [str(value) for value in classes]
