from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from sparsefacs.errors import InputError
from sparsefacs.faces.video import VideoReader, decode, read_image


def test_frames_come_in_order_with_their_times(tmp_path, panned, write_video) -> None:
    path = write_video(tmp_path / "a.mp4", panned, rate=10)
    with VideoReader(path) as reader:
        assert reader.frames == 30
        assert reader.fps == pytest.approx(10)
        frames = list(reader)
        assert reader.rejected == []
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.time_s for frame in frames] == pytest.approx([n / 10 for n in range(30)], abs=1e-3)
    for n in (0, 17, 29):
        assert np.abs(frames[n].image.astype(float) - panned[n]).mean() < 6


def test_variable_rate_keeps_true_times(tmp_path, panned, write_video) -> None:
    times = [0, 40, 80, 500, 540, 1200, 1240]
    path = write_video(tmp_path / "a.mkv", panned[:7], times=times)
    assert [frame.time_s for frame in decode(path)] == pytest.approx([t / 1000 for t in times], abs=2e-3)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (-90, 3), (180, 2)])
def test_rotation_is_respected(tmp_path, panned, write_video, degrees, turns) -> None:
    """Stored frames turned by the display matrix: `degrees` counter-clockwise, as FFmpeg counts."""
    path = write_video(tmp_path / "a.mp4", panned[:3], rotation=degrees)
    shown = next(decode(path)).image
    assert np.abs(shown.astype(float) - np.rot90(panned[0], turns)).mean() < 6


@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_a_broken_video_gives_its_good_part_and_says_where_it_breaks(tmp_path, panned, write_video, damage) -> None:
    whole = write_video(tmp_path / "a.mp4", panned).read_bytes()
    half = len(whole) // 2
    noise = np.random.default_rng(0).integers(0, 256, 3000, np.uint8).tobytes()
    broken = tmp_path / "b.mp4"
    broken.write_bytes(whole[:half] if damage == "cut" else whole[:half] + noise + whole[half + 3000 :])
    with VideoReader(broken) as reader:
        frames = list(reader)
        assert 5 < len(frames) < 30
        assert reader.rejected
        assert {frame.index for frame in frames}.isdisjoint(index for index, _ in reader.rejected)
        assert damage == "noise" or "breaks off after" in reader.rejected[-1][1]
    assert np.abs(frames[4].image.astype(float) - panned[4]).mean() < 6


def test_a_cut_video_whose_header_gives_only_a_length_is_noticed(tmp_path, panned, write_video) -> None:
    whole = write_video(tmp_path / "a.mkv", panned).read_bytes()
    broken = tmp_path / "b.mkv"
    broken.write_bytes(whole[: len(whole) // 2])
    with VideoReader(broken) as reader:
        read = len(list(reader))
        assert 0 < read < 27
        assert len(reader.rejected) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.mp4", b"", "empty"),
        ("a.mp4", b"hello there" * 50, "cannot be read as a video"),
        ("a.mp4", None, "not there"),
    ],
)
def test_no_video_is_one_line(tmp_path, name, content, words) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        VideoReader(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sound_alone_is_no_video(tmp_path) -> None:
    import wave

    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    with pytest.raises(InputError, match="no video"):
        VideoReader(tmp_path / "a.wav")


def test_photo_is_turned_as_exif_says(tmp_path, photo) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored a quarter turn counter-clockwise
    Image.fromarray(photo[:100, :60]).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), np.rot90(photo[:100, :60], -1))


def test_grey_deep_and_transparent_photos_become_rgb(tmp_path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 256).save(tmp_path / "deep.png")
    Image.fromarray(np.dstack([grey] * 4)).save(tmp_path / "clear.png")
    for name in ("grey.png", "deep.png", "clear.png"):
        assert np.array_equal(read_image(tmp_path / name), np.dstack([grey] * 3)), name


def test_bad_photos_are_one_line(tmp_path, photo) -> None:
    Image.fromarray(photo).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    for name, content, words in (
        ("cut.jpg", whole[: len(whole) // 2], "damaged"),
        ("empty.jpg", b"", "empty"),
        ("text.jpg", b"no picture", "no image"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_image(tmp_path / name)
    with pytest.raises(InputError, match="not there"):
        read_image(tmp_path / "missing.jpg")


def test_decoding_holds_one_frame_at_a_time(tmp_path, panned, write_video) -> None:
    """Reading is lazy: after the first frame the file has not been read to its end."""
    path: Path = write_video(tmp_path / "a.mp4", panned * 4)
    with VideoReader(path) as reader:
        frames = iter(reader)
        assert next(frames).index == 0
        assert next(frames).index == 1


def test_a_frame_is_shown_until_the_next_and_the_last_until_the_video_ends(panned, write_video, tmp_path) -> None:
    path = write_video(tmp_path / "bursts.mkv", panned[:5], times=[0, 33, 67, 1000, 1040])
    with VideoReader(path) as reader:
        shown = [(frame.time_s, frame.until_s) for frame in reader]
    assert [until for _, until in shown[:-1]] == [start for start, _ in shown[1:]]
    np.testing.assert_allclose([start for start, _ in shown], [0, 0.033, 0.067, 1, 1.04], atol=1e-6)
    assert shown[-1][1] > shown[-1][0]


def test_the_clock_of_players_starts_with_the_files_first_stream(panned, tmp_path) -> None:
    """Sound from 0 s, the first frame at .2 s: players show that frame at .2 s, and we call it 0."""
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = *panned[0].shape[:2], "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        silence.sample_rate, silence.pts = 8000, 0
        container.mux(sound.encode(silence))
        for number, image in enumerate(panned[:4]):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = 200 + 40 * number, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        container.mux(sound.encode())
    with VideoReader(path) as reader:
        times = [frame.time_s for frame in reader]
        assert reader.begins_s == pytest.approx(0.2, abs=1e-3)
    np.testing.assert_allclose(times, [0, 0.04, 0.08, 0.12], atol=1e-3)
