"""`predict --every` and `--fps`: some frames are coded, with their true numbers and times."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pixel_coders import BrightnessCoder
from sparsefacs.errors import InputError
from sparsefacs.events.coded_tables import read_codes
from sparsefacs.events.finding import coded_spans, find_events
from sparsefacs.faces.detection import FaceFinder
from sparsefacs.faces.tracking import GAP_S
from sparsefacs.inference.frames import Opened
from sparsefacs.inference.pipeline import predict
from sparsefacs.inference.sampling import Sampling
from sparsefacs.inference.sources import Source


@pytest.mark.parametrize(
    ("sampling", "rate", "step"),
    [
        (Sampling(), 25, 1),
        (Sampling(5), 25, 5),
        (Sampling(fps=10), 29.97, 3),
        (Sampling(fps=25), 25.0001, 1),
        (Sampling(fps=60), 25, 1),
        (Sampling(fps=0.5), 25, 50),
    ],
)
def test_a_rate_becomes_whole_steps(sampling, rate, step):
    assert sampling.step(rate) == step


@pytest.mark.parametrize("given", [{"every": 0}, {"fps": 0.0}, {"fps": float("nan")}, {"every": 2, "fps": 5.0}])
def test_what_makes_no_sense_is_refused(given):
    with pytest.raises(InputError):
        Sampling(**given)


@pytest.fixture(scope="module")
def turning(tmp_path_factory, photo, write_video) -> Path:
    """Three seconds at 8 frames/s: a face in less light, in more, and in less again, for a second each."""
    dark = (photo * 0.88).astype(np.uint8)
    images = [image for image in (dark, photo, dark) for _ in range(8)]
    return write_video(tmp_path_factory.mktemp("turning") / "film.mp4", images, 8)


@pytest.mark.parametrize(("sampling", "frames"), [(Sampling(4), range(1, 25, 4)), (Sampling(fps=1), range(1, 25, 8))])
def test_numbers_and_times_are_the_video_s_and_nothing_is_made_of_other_frames(
    turning, tmp_path, monkeypatch, sampling, frames
):
    looked = []
    found = FaceFinder.landmark
    monkeypatch.setattr(FaceFinder, "landmark", lambda *given: looked.append(1) or found(*given))
    told = predict(BrightnessCoder(), [turning], tmp_path / "c.csv", sampling=sampling)
    table = pd.read_csv(tmp_path / "c.csv")
    assert table["frame"].tolist() == list(frames) and table["success"].all() and set(table["face_id"]) == {0}
    assert table["timestamp"].to_numpy() == pytest.approx((np.array(frames) - 1) / 8)
    assert len(looked) <= 2 * len(frames) and told.frames == len(frames)
    whole = predict(BrightnessCoder(), [turning], tmp_path / "all.csv").out
    every = pd.read_csv(whole).set_index("frame").loc[list(frames)]
    assert table["AU12_p"].to_numpy() == pytest.approx(every["AU12_p"].to_numpy(), abs=0.02)


def test_events_of_some_frames_are_those_of_all_as_far_as_frames_tell(turning, tmp_path):
    events = {}
    for step in (1, 4):
        out = tmp_path / f"{step}.csv"
        predict(BrightnessCoder(), [turning], out, sampling=Sampling(step))
        (face,) = read_codes(out)
        assert face.stride == step
        (span,) = coded_spans(face)
        assert (span.onset_s, span.offset_s) == pytest.approx((0, 3))
        limit = float(face.probability[:, 1].min() + face.probability[:, 1].max()) / 2
        bright = replace(face, occurrence=(face.probability >= limit).astype(np.int8))
        events[step] = [(one.onset_s, one.offset_s) for one in find_events(bright) if one.au == 12]
    assert events[4] == [pytest.approx((1.0, 2.0))] == events[1]


def test_a_face_keeps_its_id_however_far_frames_are_apart():
    source = Source(Path("film.mp4"))
    assert Opened(source, 25.0).gap_s == Opened(source, None).gap_s == GAP_S
    assert Opened(source, 0.1).gap_s > 20, "two frames lie 10 s apart, and one may lack the face"


def test_a_model_of_clips_leaves_no_frame_out(turning, tmp_path):
    coder = BrightnessCoder()
    coder.clip = (3, 1)
    with pytest.raises(InputError, match="within the 3 neighbouring ones"):
        predict(coder, [turning], tmp_path / "c.csv", sampling=Sampling(2))
    assert not (tmp_path / "c.csv").exists()
