"""Codes smoothed in time, against the sums written out, and what must not be mixed."""

import numpy as np
import pandas as pd
import pytest

from sparsefacs import InputError
from sparsefacs.inference.codes import CodedFace, CodedFrame
from sparsefacs.inference.frames import Closed, Opened
from sparsefacs.inference.pipeline import predict
from sparsefacs.inference.smoothing import Smoothing, smoothed
from sparsefacs.inference.sources import Source

FPS = 10.0


def frame(index: int, codes: dict[int, float], photo: bool = False) -> CodedFrame:
    faces = tuple(
        CodedFace(number, 0.9, np.zeros(4, np.float32), np.zeros((68, 2), np.float32),
                  np.array([value], np.float32), further=np.array([5 * value], np.float32))
        for number, value in codes.items()
    )  # fmt: skip
    return CodedFrame("a", index, None if photo else index / FPS, faces, ())


def told(items: list[object], number: int = 0) -> list[float]:
    return [
        float(f.codes[0]) for item in items if isinstance(item, CodedFrame) for f in item.faces if f.face_id == number
    ]


def test_around_is_the_mean_under_a_normal_curve_within_the_window() -> None:
    values = np.random.default_rng(0).random(40)
    given = [frame(i, {0: v}) for i, v in enumerate(values)]
    found = list(smoothed(iter(given), Smoothing(0.8)))
    assert [item.index for item in found if isinstance(item, CodedFrame)] == list(range(40))
    for i in range(40):
        near = [j for j in range(40) if abs(i - j) / FPS <= 0.4 + 1e-9]
        weights = np.array([np.exp(-0.5 * ((i - j) / FPS / 0.2) ** 2) for j in near])
        wanted = float((weights * values[near]).sum() / weights.sum())
        assert told(found)[i] == pytest.approx(wanted, abs=1e-6)
        further = found[i].faces[0].further  # type: ignore[union-attr]
        assert further is not None and further[0] == pytest.approx(5 * wanted, abs=1e-5)


def test_before_never_looks_ahead_and_begins_anew_after_a_gap() -> None:
    values = np.random.default_rng(1).random(30)
    given = [frame(i, {0: v}) for i, v in enumerate(values)]
    whole = told(list(smoothed(iter(given), Smoothing(0.5, causal=True))))
    part = told(list(smoothed(iter(given[:12]), Smoothing(0.5, causal=True))))
    assert whole[:12] == part
    share, wanted = 1 - np.exp(-4 * 0.1 / 0.5), values[0]
    for i in range(1, 30):
        wanted += share * (values[i] - wanted)
        assert whole[i] == pytest.approx(wanted, abs=1e-5)
    apart = [frame(0, {0: 1.0}), frame(9, {0: 0.0})]
    assert told(list(smoothed(iter(apart), Smoothing(0.5, causal=True)))) == [1.0, 0.0]


@pytest.mark.parametrize("causal", [False, True])
def test_people_files_and_photos_are_not_mixed(causal: bool) -> None:
    source = Source.__new__(Source)
    object.__setattr__(source, "path", None)
    one = [frame(i, {0: 1.0, 1: 0.0}) for i in range(6)]
    two = [frame(i, {0: 0.0}) for i in range(6)]
    items = [Opened(source, FPS), *one, Closed(source), Opened(source, FPS), *two, Closed(source),
             frame(0, {0: 0.7}, photo=True), frame(0, {0: 0.1}, photo=True)]  # fmt: skip
    found = list(smoothed(iter(items), Smoothing(0.5, causal=causal)))
    assert [type(item) for item in found] == [type(item) for item in items]
    assert told(found) == pytest.approx([1.0] * 6 + [0.0] * 6 + [0.7, 0.1])
    assert told(found, 1) == [0.0] * 6


def test_the_table_says_how_it_was_smoothed(coder, clips, tmp_path) -> None:  # type: ignore[no-untyped-def]
    predict(coder, [clips / "face.mp4"], tmp_path / "plain.csv")
    predict(coder, [clips / "face.mp4"], tmp_path / "smooth.csv", smooth=0.4)
    plain, smooth = pd.read_csv(tmp_path / "plain.csv"), pd.read_csv(tmp_path / "smooth.csv")
    assert "smoothing" not in plain and set(smooth["smoothing"].dropna()) == {"around 0.4 s"}
    assert list(smooth["frame"]) == list(plain["frame"])
    assert smooth["AU12_p"].diff().abs().mean() < plain["AU12_p"].diff().abs().mean()
    predict(coder, [clips / "photo.png", clips / "face.mp4"], tmp_path / "both.csv", smooth=0.4)
    both = pd.read_csv(tmp_path / "both.csv")
    assert both.loc[both["timestamp"].isna(), "smoothing"].isna().all()
    for impossible in (0.0, 1e6, float("inf"), float("nan")):
        with pytest.raises(InputError, match="--smooth"):
            predict(coder, [clips / "face.mp4"], tmp_path / "c.csv", smooth=impossible)
