"""Pairs of the members of two lists: at the least cost, or as many as possible. scipy has both, and weighs 113 MB."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def cheapest_pairs(cost_RC: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of the least total cost, min(R, C) of them, in the order of rows; costs finite.

    Shortest augmenting paths (Crouse 2016, doi:10.1109/TAES.2016.140952, algorithm 1), ties decided as by
    scipy.optimize.linear_sum_assignment.
    """
    cost = np.asarray(cost_RC, np.float64)
    if cost.shape[0] > cost.shape[1]:
        return sorted((row, column) for column, row in cheapest_pairs(cost.T))
    count, width = cost.shape
    u, v = np.zeros(count), np.zeros(width)
    column_of, row_of = [-1] * count, [-1] * width
    for row in range(count):
        least, sink, path, shortest, rows, columns = _shortest_path(cost, u, v, row, row_of)
        u[row] += least
        for each in rows - {row}:
            u[each] += least - shortest[column_of[each]]
        for each in columns:
            v[each] -= least - shortest[each]
        while True:
            behind = path[sink]
            row_of[sink], sink, column_of[behind] = behind, column_of[behind], sink
            if behind == row:
                break
    return list(enumerate(column_of))


def _shortest_path(
    cost: NDArray[np.float64], u: NDArray[np.float64], v: NDArray[np.float64], row: int, row_of: list[int]
) -> tuple[float, int, list[int], list[float], set[int], set[int]]:
    """Return the cheapest path from `row` to a free column: length, that column, who leads to each, what it visited."""
    width = cost.shape[1]
    left = list(range(width - 1, -1, -1))
    path, shortest = [-1] * width, [np.inf] * width
    rows: set[int] = set()
    columns: set[int] = set()
    least, sink = 0.0, -1
    while sink < 0:
        rows.add(row)
        place, lowest = -1, np.inf
        for number, column in enumerate(left):
            length = least + cost[row, column] - u[row] - v[column]
            if length < shortest[column]:
                path[column], shortest[column] = row, length
            if shortest[column] < lowest or (shortest[column] == lowest and row_of[column] < 0):
                place, lowest = number, shortest[column]
        least, column = float(lowest), left[place]
        if row_of[column] < 0:
            sink = column
        else:
            row = row_of[column]
        columns.add(column)
        left[place] = left[-1]
        left.pop()
    return least, sink, path, shortest, rows, columns


def most_pairs(choices: Sequence[Sequence[int]], width: int) -> NDArray[np.int64]:
    """Return as many pairs (M, 2) as possible of rows with the columns, below `width`, that each may choose.

    A column is chosen once; earlier rows and earlier choices come first. Augmenting paths, breadth first.
    """
    row_of = [-1] * width
    column_of = [-1] * len(choices)
    for start in range(len(choices)):
        came: dict[int, int] = {}
        waiting: list[int] = [start]
        sink = -1
        for row in waiting:  # grows while it is gone through
            for column in choices[row]:
                if column in came:
                    continue
                came[column] = row
                if row_of[column] < 0:
                    sink = column
                    break
                waiting.append(row_of[column])
            if sink >= 0:
                break
        while sink >= 0:
            row = came[sink]
            row_of[sink], sink, column_of[row] = row, column_of[row], sink
    found: Any = [(row, column) for row, column in enumerate(column_of) if column >= 0]
    return np.array(found, np.int64).reshape(-1, 2)
