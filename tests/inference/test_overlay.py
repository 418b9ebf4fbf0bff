from fractions import Fraction

import numpy as np
import pytest

from sparsefacs.inference.codes import CodedFace, CodedFrame
from sparsefacs.inference.painting import Painter, enlargement
from sparsefacs.inference.pipeline import predict


def face(face_id, box, *codes):
    points = np.stack([np.linspace(box[0], box[2], 68), np.linspace(box[1], box[3], 68)], 1)
    return CodedFace(face_id, 0.9, np.array(box, np.float32), points.astype(np.float32), np.array(codes, np.float32))


def paint(faces, lost=(), *, size=(360, 640), painter=None, aus=(1, 12)):
    painter = painter or Painter(aus, "occurrence", (0.5,) * len(aus))
    image = np.full((*size, 3), 128, np.uint8)
    return painter.paint(CodedFrame("v", 0, 0.0, tuple(faces), tuple(lost), image))


def amber(image):
    """How many pixels have the colour of an AU that is present."""
    return int((np.abs(image.astype(int) - (255, 176, 0)).max(axis=2) < 30).sum())


def test_bars_grow_with_the_codes_and_change_colour_at_the_limit():
    box = (100, 60, 250, 260)
    counts = [amber(paint([face(0, box, 0.1, value)])) for value in (0.1, 0.49, 0.6, 0.95)]
    assert counts[0] == counts[1] == 0 < counts[2] < counts[3]


def test_intensities_fill_the_bar_at_five():
    box, painter = (100, 60, 250, 260), Painter((1, 12), "intensity", (1.0, 1.0))
    half, full = (amber(paint([face(0, box, 0, value)], painter=painter)) for value in (2.5, 5.0))
    assert 1.4 < full / half < 2.1


@pytest.mark.parametrize("size", [(120, 160), (360, 640), (1080, 1920), (900, 300)])
def test_the_panel_stays_inside_and_off_the_face(size):
    height, width = size
    times = enlargement(size)
    box = (0.3 * width, 0.25 * height, 0.6 * width, 0.7 * height)
    drawn = paint([face(0, box, *[0.9] * 17)], size=size, aus=tuple(range(1, 18)))
    assert drawn.shape == (height * times, width * times, 3) and min(drawn.shape[:2]) >= 240
    x0, y0, x1, y1 = (round(side * times) for side in box)
    inner = amber(drawn[y0:y1, x0:x1])
    assert amber(drawn) > 100 and inner < 0.75 * amber(drawn)


def test_a_lost_face_is_marked_where_it_was_last():
    painter = Painter((1, 12), "occurrence", (0.5, 0.5))
    paint([face(0, (100, 60, 250, 260), 0.1, 0.2)], painter=painter)
    red = (np.abs(paint([], [0], painter=painter).astype(int) - (255, 96, 96)).max(axis=2) < 40).nonzero()
    assert len(red[0]) > 100
    assert (red[1].min(), red[1].max(), red[0].max()) == pytest.approx((100, 250, 260), abs=2)
    assert 30 < red[0].min() < 60  # its label stands above the box


def test_an_image_is_not_drawn_on_in_place():
    image = np.full((300, 300, 3), 128, np.uint8)
    Painter((1,), "occurrence", (0.5,)).paint(CodedFrame("v", 0, 0.0, (face(0, (9, 9, 99, 99), 1.0),), (), image))
    assert (image == 128).all()


def test_overlay_video_keeps_size_frames_and_rate(coder, tmp_path, photo, write_video):
    import av

    wide = np.pad(photo, ((60, 60), (0, 0), (0, 0)), mode="edge")[:, :250]
    source = write_video(tmp_path / "in.mp4", [np.roll(wide, shift, axis=1) for shift in range(10)], Fraction(30))
    predict(coder, [source], tmp_path / "c.csv", overlay=tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as drawn:
        stream = drawn.streams.video[0]
        assert (stream.height, stream.width, stream.frames) == (320, 250, 10)
        assert float(stream.average_rate) == pytest.approx(30, rel=0.01)
        assert [float(frame.pts * frame.time_base) for frame in drawn.decode(stream)] == pytest.approx(
            [number / 30 for number in range(10)], abs=1e-3
        )


def test_overlay_and_plot_folders_for_several_inputs(coder, clips, tmp_path):
    from PIL import Image

    given = [clips / "face.mp4", clips / "photo.png", clips / "empty.mp4"]
    predict(coder, given, tmp_path / "c.parquet", overlay=tmp_path / "drawn", plot=tmp_path / "plots")
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["empty.mp4", "face.mp4", "photo.png"]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["face.png", "photo.png"]
    plain, drawn = (np.asarray(Image.open(path)) for path in (clips / "photo.png", tmp_path / "drawn" / "photo.png"))
    assert drawn.shape == tuple(side * enlargement(plain.shape[:2]) for side in plain.shape[:2]) + (3,)
