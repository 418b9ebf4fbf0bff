"""Events in codes: onsets, apexes and offsets, ends cut short, hysteresis, bridges and shortest durations."""

import numpy as np
import pytest

from sparsefacs.errors import InputError
from sparsefacs.events.coded_tables import FaceCodes
from sparsefacs.events.finding import Rules, coded_spans, find_events

PLAIN = Rules(bridge_s=0, shortest_s=0)


def codes(
    present: str, *, probability: list[float] | None = None, intensity: list[float] | None = None, fps: float = 10,
    times: list[float] | None = None,
) -> FaceCodes:  # fmt: skip
    """Return one AU's codes of a face: 1 present, 0 absent, x lost, - no row at all."""
    kept = [number for number, mark in enumerate(present) if mark != "-"]
    marks = [present[number] for number in kept]

    def column(values: list[float] | None) -> np.ndarray:
        return np.array([np.nan if values is None else values[number] for number in kept])[:, None]

    return FaceCodes(
        "clip.mp4", "anna", 2, np.array(kept) + 1,
        np.array(kept) / fps if times is None else np.array(times)[kept], np.array([mark != "x" for mark in marks]),
        (12,), np.array([[{"1": 1, "0": 0, "x": -1}[mark]] for mark in marks], np.int8),
        column(intensity), column(probability),
    )  # fmt: skip


def seen(found: FaceCodes, rules: Rules = PLAIN) -> list[tuple[float, float, str]]:
    return [(round(event.onset_s, 3), round(event.offset_s, 3), event.cut) for event in find_events(found, rules)]


def test_an_event_lasts_from_its_first_frame_to_the_frame_after_its_last() -> None:
    assert seen(codes("0110010")) == [(0.1, 0.3, ""), (0.5, 0.6, "")]


def test_its_peak_is_where_its_intensity_is_highest_else_its_probability() -> None:
    (event,) = find_events(codes("01110", intensity=[0, 1, 3.5, 2, 0], probability=[0, 0.9, 0.6, 0.7, 0]), PLAIN)
    assert (event.apex_s, event.intensity, event.face, event.subject, event.where) == (0.2, 3.5, 2, "anna", "frame 2")
    (event,) = find_events(codes("01110", probability=[0, 0.9, 0.6, 0.7, 0]), PLAIN)
    assert (event.apex_s, event.intensity) == (0.1, None)
    (event,) = find_events(codes("01110"), PLAIN)
    assert event.apex_s is None


def test_ends_of_the_clip_and_lost_faces_cut_an_event_and_say_at_which_end() -> None:
    assert seen(codes("1100111")) == [(0, 0.2, "start"), (0.4, 0.7, "end")]
    assert seen(codes("011x110")) == [(0.1, 0.3, "end"), (0.4, 0.6, "start")]
    assert seen(codes("011-110")) == [(0.1, 0.3, "end"), (0.4, 0.6, "start")]
    assert seen(codes("111")) == [(0, 0.3, "both")]
    spans = coded_spans(codes("011x110"))
    assert [(round(span.onset_s, 3), round(span.offset_s, 3), span.aus, span.face) for span in spans] == [
        (0, 0.3, None, 2), (0.4, 0.7, None, 2)
    ]  # fmt: skip


def test_hysteresis_begins_high_and_ends_low() -> None:
    values = [0.1, 0.45, 0.7, 0.45, 0.45, 0.3, 0.45, 0.2]
    assert seen(codes("0" * 8, probability=values), Rules(0.6, 0.4, 0, 0)) == [(0.2, 0.5, "")]
    assert seen(codes("0" * 8, probability=values), Rules(0.6, None, 0, 0)) == [(0.2, 0.3, "")]
    assert seen(codes("0" * 8, intensity=values), Rules(0.6, 0.4, 0, 0)) == [(0.2, 0.5, "")]
    assert seen(codes("00x00", probability=[0.7, 0.5, 0.9, 0.5, 0.7]), Rules(0.6, 0.4, 0, 0)) == [
        (0, 0.2, "both"), (0.4, 0.5, "end")
    ]  # fmt: skip


def test_short_interruptions_are_bridged_and_short_events_left_out_but_never_over_a_lost_face() -> None:
    assert seen(codes("0101000110"), Rules(bridge_s=0.15, shortest_s=0.25)) == [(0.1, 0.4, "")]
    assert seen(codes("0101000110"), Rules(bridge_s=0.1, shortest_s=0.2)) == [(0.7, 0.9, "")]
    assert seen(codes("01x10"), Rules(bridge_s=1, shortest_s=0)) == [(0.1, 0.2, "end"), (0.3, 0.4, "start")]


def test_times_are_the_frames_own_and_photos_have_no_events() -> None:
    assert seen(codes("01110", times=[0, 0.03, 0.5, 0.53, 2])) == [(0.03, 2, "")]
    photo = codes("1", times=[np.nan])
    assert not find_events(photo) and not coded_spans(photo)


def test_rules_are_told_and_checked() -> None:
    assert "probability (or intensity, where there is none) 0.6 on until it is below 0.4" in Rules(0.6, 0.4).words
    for wrong in ({"off": 0.5}, {"on": 0.4, "off": 0.5}, {"bridge_s": -1}, {"shortest_s": float("nan")}):
        with pytest.raises(InputError, match="--"):
            Rules(**wrong)


def test_a_threshold_in_per_cent_is_refused_for_probabilities() -> None:
    with pytest.raises(InputError, match="--on 60 is over 1, and these codes have probabilities"):
        find_events(codes("01", probability=[0.1, 0.9]), Rules(60))
    assert seen(codes("01", intensity=[0.1, 3]), Rules(2, None, 0, 0)) == [(0.1, 0.2, "end")]
