"""Videos and photos of kinds that are easily read as something they are not; one test a kind."""

import struct
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from sparsefacs.errors import InputError
from sparsefacs.faces.hdr import HLG, PQ, to_ordinary
from sparsefacs.faces.photos import read_photo
from sparsefacs.faces.video import VideoReader, read_image

GREYS = [np.full((96, 128, 3), 20 * step, np.uint8) for step in range(8)]


def video(path: Path, frames=GREYS, *, aspect=None, rotation=0, transfer=None, last=0, art=False, film=True) -> Path:
    """Write a video of square or other pixels (aspect), with a cover (art), a last frame of `last` time units."""
    import av
    from av.stream import Disposition

    with av.open(str(path), "w") as container:
        if film:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt, stream.gop_size = *frames[0].shape[:2], "yuv420p", 1
            stream.max_b_frames = 0
            if aspect:
                stream.codec_context.sample_aspect_ratio = aspect
            if rotation:
                stream.set_display_rotation(rotation)
            if transfer:
                stream.codec_context.color_trc, stream.codec_context.color_primaries = transfer, 9
        if art:
            cover = container.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
            cover.disposition = Disposition.attached_pic
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 250, np.uint8), format="rgb24")
            container.mux([*cover.encode(picture), *cover.encode()])
        if film:
            packets = []
            for image in frames:
                packets += stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"))
            packets += stream.encode()
            if last:
                packets[-1].duration = last
            container.mux(packets)
    return path


def shapes_and_first(path: Path) -> tuple[set, np.ndarray]:
    with VideoReader(path) as reader:
        frames = [frame.image for frame in reader]
        assert reader.rejected == []
    return {image.shape for image in frames}, frames[0]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_kind_anamorphic_video_is_stretched(tmp_path, ending) -> None:
    """Pixels 64:45 as broad as high, as of wide-screen PAL: 128 stored columns are 182; a centred square stays one."""
    path = video(tmp_path / f"a.{ending}", aspect=Fraction(64, 45))
    assert shapes_and_first(path)[0] == {(96, 182, 3)}


def test_kind_anamorphic_video_is_stretched_before_it_is_turned(tmp_path) -> None:
    left = np.zeros((96, 128, 3), np.uint8)
    left[:, :64] = 220
    shapes, first = shapes_and_first(video(tmp_path / "a.mp4", [left] * 3, aspect=Fraction(4, 3), rotation=90))
    assert shapes == {(171, 96, 3)}
    bright = first.mean(axis=(1, 2))
    assert bright[90:].min() > 200 and bright[:80].max() < 20  # a quarter turn puts the left half below


def test_kind_attached_picture_is_not_the_video(tmp_path) -> None:
    film = video(tmp_path / "film.mp4", art=True)
    content = film.read_bytes()
    moov = content.index(b"moov") - 4
    boxes, at = [], moov + 8
    while at < moov + struct.unpack(">I", content[moov : moov + 4])[0]:
        size = struct.unpack(">I", content[at : at + 4])[0]
        boxes.append(content[at : at + size])
        at += size
    boxes.sort(key=lambda box: box[4:8] != b"udta")  # now the cover comes before the video track
    film.write_bytes(content[: moov + 8] + b"".join(boxes) + content[at:])
    import av

    with av.open(str(film)) as container:
        assert [stream.width for stream in container.streams.video] == [64, 128]
    assert shapes_and_first(film)[0] == {(96, 128, 3)}
    with pytest.raises(InputError, match=r"song\.mp4: holds no video but a picture"):
        VideoReader(video(tmp_path / "song.mp4", art=True, film=False))


def test_kind_long_last_frame_does_not_break_off(tmp_path) -> None:
    path = video(tmp_path / "a.mp4", last=4 * 12800)
    with VideoReader(path) as reader:
        assert reader._claimed_s > 4
        assert len(list(reader)) == 8
        assert reader.rejected == []


def test_kind_all_frames_damaged_is_an_error(tmp_path) -> None:
    import av

    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 255, (96, 128, 3)).astype(np.uint8) for _ in range(5)]
    path = video(tmp_path / "a.mp4", noisy)
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]

    def damage(frames) -> None:
        for start, size in frames:
            content[start + size // 2 : start + size - 20] = rng.bytes(size - 20 - size // 2)
        path.write_bytes(content)

    damage(places[1:])
    with VideoReader(path) as reader:
        assert [frame.index for frame in reader] == [0]
        assert [index for index, _ in reader.rejected] == [1, 2, 3, 4]
    damage(places[:1])
    with VideoReader(path) as reader, pytest.raises(InputError, match=r"a\.mp4: all its 5 frames are damaged"):
        list(reader)


def test_kind_hdr_white_and_grey_come_to_where_they_are_in_ordinary_video() -> None:
    """Light of 203 cd/m² is white, 18 % of it mid grey, 1000 cd/m² not cut; in HLG 75 % are white, 38 % 26 cd/m²."""
    pq = np.array([0, 18.0 / 100 * 203, 203, 1000])
    power = (pq / 10000) ** (2610 / 16384)
    signal = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    for transfer, numbers, middle in ((PQ, signal, 118), (HLG, np.array([0, 0.38, 0.75, 1.0]), 101)):
        image = np.repeat((numbers * 65535).round().astype(np.uint16)[None, :, None], 3, axis=2)
        black, grey, white, glare = to_ordinary(image, transfer)[0].astype(int)
        assert (black == 0).all() and np.ptp(grey) <= 1 and abs(grey[0] - middle) <= 2
        assert 235 <= white[0] < glare[0] <= 255


def test_kind_hdr_video_is_mapped_and_says_so(tmp_path) -> None:
    grey = [np.full((96, 128, 3), 148, np.uint8)] * 3  # PQ's 58 %: 203 cd/m², white
    for transfer, name in ((16, "PQ"), (18, "HLG"), (1, "")):
        with VideoReader(video(tmp_path / f"{transfer}.mp4", grey, transfer=transfer)) as reader:
            shown = int(next(iter(reader)).image[40, 40, 1])
            assert reader.note == (f"is HDR video ({name}): its colours were brought to ordinary ones" if name else "")
        assert {"PQ": shown >= 235, "HLG": abs(shown - 164) < 4, "": abs(shown - 148) < 4}[name], (name, shown)


def test_kind_deep_photos_are_scaled_by_the_bits_they_use(tmp_path) -> None:
    import cv2

    true = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for bits in (10, 12, 16):
        deep = true.astype(np.uint16) << (bits - 8)
        for ending in ("png", "tiff"):
            cv2.imwrite(str(tmp_path / f"grey.{ending}"), deep)
            cv2.imwrite(str(tmp_path / f"colour.{ending}"), np.dstack([deep, deep // 2, deep // 4]))
            assert np.array_equal(read_image(tmp_path / f"grey.{ending}"), np.dstack([true] * 3)), (bits, ending)
            shown = read_image(tmp_path / f"colour.{ending}")
            assert np.array_equal(shown, np.dstack([true // 4, true // 2, true])), (bits, ending)
    Image.fromarray(true.astype(np.float32) / 255).save(tmp_path / "f.tiff")
    assert np.array_equal(read_image(tmp_path / "f.tiff"), np.dstack([true] * 3))
    Image.fromarray(true.astype(np.float32) - 8.5).save(tmp_path / "g.tiff")
    with pytest.raises(InputError, match=r"g\.tiff: its numbers go from -8.5 to 246.5"):
        read_image(tmp_path / "g.tiff")


def test_kind_stack_of_pictures_says_that_the_first_is_read(tmp_path) -> None:
    pages = [Image.fromarray(image[:32, :32]) for image in GREYS[1:4]]
    for name in ("a.webp", "a.png", "a.tiff"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        photo = read_photo(tmp_path / name)
        assert photo.left_out == "only the first of the file's 3 pictures is read"
        assert abs(int(photo.image[5, 5, 0]) - 20) < 3
        pages[0].save(tmp_path / name)
        assert read_photo(tmp_path / name).left_out == ""


def test_kind_warnings_of_pillow_stay_inside(tmp_path, monkeypatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    Image.fromarray(GREYS[2]).save(tmp_path / "a.jpg", exif=exif)
    content = (tmp_path / "a.jpg").read_bytes()
    at = content.index(b"Exif\0\0") + 6
    (tmp_path / "a.jpg").write_bytes(content[: at + 8] + b"\xff\xff" + content[at + 10 :])  # 65,535 entries
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Image.open(tmp_path / "a.jpg") as opened:
            opened.getexif()
        assert {warning.category for warning in caught} >= {Image.DecompressionBombWarning, UserWarning}
        caught.clear()
        assert read_image(tmp_path / "a.jpg").shape == (96, 128, 3)
        assert caught == []


def test_kind_a_clock_that_jumps_back_goes_on(tmp_path) -> None:
    """Two recordings joined to one transport stream: times and frames go on."""
    path = video(tmp_path / "a.ts")
    path.write_bytes(path.read_bytes() * 2)
    with VideoReader(path) as reader:
        times = [frame.time_s for frame in reader]
        assert times == pytest.approx([n / 25 for n in range(16)])
        assert "clock that jumps back at frame 9" in reader.note


def test_kind_frames_that_all_have_one_time_are_told(tmp_path) -> None:
    """A video written without times is coded, and nothing in seconds can be said of it."""
    import av

    with av.open(str(tmp_path / "stuck.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(4):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")):
                packet.pts = packet.dts = 0
                container.mux(packet)
    with VideoReader(tmp_path / "stuck.mp4") as reader:
        assert [frame.time_s for frame in reader] == [0.0] * 4
        assert reader.note.startswith("gives all its frames the same time")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_kind_damaged_frames_in_the_middle_keep_their_numbers(suffix: str, tmp_path, panned) -> None:
    """A decoder passes over frames whose packets are damaged without a word: later ones must not slide."""
    path = tmp_path / f"bad.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "1", "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = *panned[0].shape[:2], "yuv420p"
        packets = [p for i in panned[:10] for p in stream.encode(av.VideoFrame.from_ndarray(i, format="rgb24"))]
        for number, packet in enumerate([*packets, *stream.encode()]):
            kept = packet
            if number in (4, 5):
                kept = av.Packet(b"\0\0\0\5" + b"\xff" * 5 + bytes(packet.size - 9))
                kept.stream, kept.time_base, kept.duration = stream, packet.time_base, packet.duration
                kept.pts, kept.dts, kept.is_keyframe = packet.pts, packet.dts, packet.is_keyframe
            container.mux(kept)
    with VideoReader(path) as reader:
        shown = [(frame.index, round(frame.time_s, 3)) for frame in reader]
        assert [index for index, _ in reader.rejected] == [4, 5]
    assert shown == [(number, number / 25) for number in range(10) if number not in (4, 5)]


def test_kind_two_videos_in_one_file_the_largest_is_read_and_it_is_said(tmp_path, panned) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        sizes = ((64, 64), panned[0].shape[:2])
        streams = [container.add_stream("libx264", rate=25) for _ in sizes]
        for stream, (height, width) in zip(streams, sizes, strict=True):
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for image in panned[:3]:
            for stream, (height, width) in zip(streams, sizes, strict=True):
                picture = np.ascontiguousarray(image[:height, :width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    with VideoReader(path) as reader:
        assert [frame.image.shape[:2] for frame in reader] == [panned[0].shape[:2]] * 3
        assert reader.note.startswith("holds 2 videos, of which the largest is read")
