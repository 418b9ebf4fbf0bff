"""Labels by time go to the frame shown at that time: at fixed and at variable rates, for moments and for stretches."""

import math
from itertools import pairwise

import numpy as np
import pytest

from sparsefacs.data.adapters.plan import FaceLabel
from sparsefacs.data.adapters.timed_labels import LabelsAtTimes, LabelsInStretches, Stretches

BURSTS = np.array([0, 33, 67, 100, 1100, 1133, 1167, 5000]) / 1000
"""A recorder's variable rate: bursts of 30 frames a second with pauses."""


def frames(rate: float | None, count: int = 40) -> list[tuple[float, float]]:
    """Return when each frame is shown, from and until; rate None: BURSTS, the last frame for four seconds."""
    starts = [*BURSTS, 9.0] if rate is None else [number / rate for number in range(count + 1)]
    return list(pairwise(starts))


def label(value: int) -> FaceLabel:
    return FaceLabel(np.array([value], np.int8), np.array([np.nan], np.float32))


def stretches(*events: tuple[float, float, float]) -> Stretches:
    onset, offset, intensity = (np.array(column, float) for column in zip(*events, strict=True))
    return Stretches(onset, offset, intensity, tuple(f"row {number}" for number in range(len(events))))


@pytest.mark.parametrize("rate", [25, 30000 / 1001, 60, None])
def test_every_frames_own_time_is_that_frame_also_when_written_to_the_millisecond(rate: float | None) -> None:
    shown = frames(rate)
    for written in ([start for start, _ in shown], [round(start, 3) for start, _ in shown]):
        labels = LabelsAtTimes(tuple(written), tuple(label(number % 2) for number in range(len(shown))))
        found = [labels.at(*frame) for frame in shown]
        assert [[int(one.occurrence[0]) for one in given] for given in found] == [[n % 2] for n in range(len(shown))]
        assert not list(labels.outside(0, shown[-1][1]))


def test_a_time_between_frames_belongs_to_the_one_still_shown() -> None:
    labels = LabelsAtTimes((0.09, 1.09, 4.9, 8.9), (label(1),) * 4)
    assert [len(labels.at(*frame)) for frame in frames(None)] == [0, 0, 1, 1, 0, 0, 1, 1]
    told = list(LabelsAtTimes((-0.5, 9.2), (label(1),) * 2).outside(0, 9))
    assert told == [
        "labelled at -0.5 s, where the video has no frame",
        "labelled at 9.2 s, where the video has no frame",
    ]


@pytest.mark.parametrize("rate", [25, 30000 / 1001, 60, None])
@pytest.mark.parametrize("digits", [3, 9])
def test_a_stretch_written_from_frames_comes_back_as_those_frames(rate: float | None, digits: int) -> None:
    shown = frames(rate, 12)
    for first in range(len(shown)):
        for last in range(first, len(shown)):
            event = round(shown[first][0], digits), round(shown[last][1], digits)
            events = stretches((*event, math.nan))
            on = [number for number, frame in enumerate(shown) if len(events.at(*frame))]
            assert on == list(range(first, last + 1))


def test_points_and_stretches_shorter_than_a_frame_are_one_frame() -> None:
    events = stretches((0.05, math.nan, 1), (0.17, 0.18, 2), (0.21, 0.21, 3))
    assert [events.at(*frame).tolist() for frame in frames(25, 6)] == [[], [0], [], [], [1], [2]]


def test_silence_is_absence_where_somebody_looked_and_nothing_elsewhere() -> None:
    events = stretches((0.04, 0.12, 2), (0.08, 0.16, 4))
    labels = LabelsInStretches(
        (4, 12, 25), {12: events}, {12: ((0.0, 0.24),), 4: ((0.0, 0.12),)}, {12: ((0.2, 0.22),)}, "media"
    )
    found = [labels.at(*frame) for frame in frames(25, 8)]
    occurrence = [given[0].occurrence.tolist() if given else None for given in found]
    absent, present, later, unknown = [0, 0, -1], [0, 1, -1], [-1, 1, -1], [-1, 0, -1]
    assert occurrence == [absent, present, present, later, unknown, None, None, None]
    strength = [float(given[0].intensity[1]) for given in found if given]
    assert strength == [0, 2, 4, 4, 0]
    assert all(math.isnan(given[0].intensity[0]) for given in found if given), "AU4 has no letters"


def test_events_outside_the_video_are_named() -> None:
    labels = LabelsInStretches(
        (12,), {12: stretches((-3, -1, 1), (1, 3, 1), (8, 12, 1), (11, 12, 1))}, {12: ((0, math.inf),)}
    )
    assert [line.split(":")[0] for line in labels.outside(0, 10)] == ["row 0", "row 2", "row 3"]
