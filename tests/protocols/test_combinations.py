"""Distinct AU combinations of sparse and of dense labels."""

import numpy as np

from sparsefacs.protocols.combinations import kept_combinations


def test_one_frame_a_clip_keeps_more_combinations_than_whole_clips() -> None:
    """Six clips of five frames; every clip shows one combination of its own."""
    clips, frames = 6, 5
    occurrence = np.repeat([[(c >> b) & 1 for b in range(3)] for c in range(clips)], frames, axis=0).astype(np.int8)
    subject = np.repeat("s", clips * frames)
    clip = np.repeat([f"c{c}" for c in range(clips)], frames)
    frame = np.tile(np.arange(frames), clips)
    shown = np.zeros(occurrence.shape, bool)
    shown[2::frames] = True
    found = kept_combinations(shown, occurrence, subject, clip, frame, np.arange(len(frame)), seed=0)
    assert found["faces"] == clips and found["kept"] == clips and found["all"] == clips
    assert found["dense"] == 2.0  # six faces are one clip and a face of the next


def test_only_faces_with_every_label_count_and_only_training_faces() -> None:
    occurrence = np.array([[0, 1], [1, 1], [-1, 1], [0, 0]], np.int8)
    subject, clip, frame = np.repeat("s", 4), np.repeat("c", 4), np.arange(4)
    shown = occurrence >= 0
    found = kept_combinations(shown, occurrence, subject, clip, frame, np.array([0, 1, 2]), seed=0)
    assert (found["faces"], found["kept"], found["all"]) == (2, 2, 2)
    shown[:] = False
    assert kept_combinations(shown, occurrence, subject, clip, frame, np.arange(4), seed=0) == {}
