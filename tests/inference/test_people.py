"""Whose face is compared with what: samples, two passes over a spool, causal and given references, photos."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sparsefacs.errors import InputError
from sparsefacs.evidence.reference import NEUTRAL_MOMENTS, SAMPLE, PersonSample
from sparsefacs.faces.landmarks import Traits
from sparsefacs.faces.tracking import TrackedFace
from sparsefacs.inference import people as people_module
from sparsefacs.inference.frames import Closed, EncodedFrame, Opened
from sparsefacs.inference.given_reference import given_reference
from sparsefacs.inference.people import People, compared_in_two_passes, compared_so_far
from sparsefacs.inference.sources import Source, list_sources

KNOWN, PIXELS, FPS = 5, 3, 25.0
VIDEO = Source(Path("film/a.mp4"))


def encoded(source: Source, index: int, faces: dict[int, Any], *, photo: bool = False) -> EncodedFrame:
    """A frame whose faces have these vectors, with landmarks, pose and pixel features of their own."""
    rng, tracked, features = np.random.default_rng(index), [], []
    for face, vector in faces.items():
        points = rng.normal(size=(68, 2)).astype(np.float32)
        box = np.array([0, 0, 10 + face, 10], np.float32)
        traits = Traits(np.full(52, np.nan, np.float32), rng.normal(size=3).astype(np.float32))
        tracked.append(TrackedFace(face, points, box, float(rng.random()), traits))
        features.append(np.concatenate([rng.normal(size=PIXELS), vector]))
    made = np.array(features, np.float32).reshape(len(faces), PIXELS + KNOWN)
    return EncodedFrame(source, index, None if photo else index / FPS, tuple(tracked), made, (7,) if index % 3 else ())


def film(frames: int, seed: int = 0, source: Source = VIDEO) -> list[EncodedFrame]:
    """A video of two faces, of which one is gone at times; some vectors have holes."""
    rng, made = np.random.default_rng(seed), []
    for index in range(frames):
        faces = {face: rng.normal(face * 4, 1, KNOWN) for face in (0, 1) if face == 0 or rng.random() < 0.6}
        if index % 7 == 3:
            faces[0][:2] = np.nan
        if index % 11 == 5:
            faces[0][:] = np.nan
        made.append(encoded(source, index, faces))
    return made


def whole(frames: list[EncodedFrame], source: Source = VIDEO) -> Iterator[Any]:
    yield Opened(source, FPS)
    yield from frames
    yield Closed(source)


def literal(frames: list[EncodedFrame], face: int) -> np.ndarray:
    """The reference of a face by the book, for as many faces as are all kept."""
    seen = [
        (frame.time_s, frame.features_FE[place, -KNOWN:])
        for frame in frames
        for place, each in enumerate(frame.faces)
        if each.face == face and np.isfinite(frame.features_FE[place, -KNOWN:]).any()
    ]
    assert len(seen) <= SAMPLE
    moments = {int(time_s / 0.5) for time_s, _ in seen if time_s is not None}
    return np.append(np.nanmedian([vector for _, vector in seen], axis=0), len(moments) - 1)


def same_frames(found: list[Any], given: list[Any]) -> None:
    for one, other in zip(found, given, strict=True):
        assert type(one) is type(other)
        if not isinstance(one, EncodedFrame):
            assert one is other
            continue
        assert (one.source, one.index, one.time_s, one.lost) == (other.source, other.index, other.time_s, other.lost)
        if one.faces:
            np.testing.assert_array_equal(one.features_FE, other.features_FE)
        for face, original in zip(one.faces, other.faces, strict=True):
            assert (face.face, face.score) == (original.face, original.score)
            for name in ("box", "landmarks"):
                np.testing.assert_array_equal(getattr(face, name), getattr(original, name))
            np.testing.assert_array_equal(face.traits.pose, original.traits.pose)


@pytest.mark.parametrize("in_memory", [2**20, 100])
def test_all_frames_come_back_with_the_reference_of_the_whole_video(
    tmp_path: Path, in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparsefacs.inference.spool.IN_MEMORY", in_memory)
    other = Source(Path("film/b.mp4"))
    items = [*whole(film(200)), *whole([encoded(other, 0, {})], other), *whole(film(90, 1, other), other)]
    found = list(compared_in_two_passes(iter(items), KNOWN, tmp_path))
    same_frames(found, items)
    wanted = {(VIDEO, face): literal(film(200), face) for face in (0, 1)}
    wanted |= {(other, face): literal(film(90, 1, other), face) for face in (0, 1)}
    checked = 0
    for frame in found:
        if isinstance(frame, EncodedFrame):
            assert frame.references_FR is not None
            for face, reference in zip(frame.faces, frame.references_FR, strict=True):
                np.testing.assert_allclose(reference, wanted[frame.source, face.face], rtol=1e-6)
                checked += 1
    assert checked > 400 and list(tmp_path.iterdir()) == []


def test_the_order_of_frames_does_not_matter(tmp_path: Path) -> None:
    frames = film(900)  # more than a sample holds
    shuffled = [frames[n] for n in np.random.default_rng(5).permutation(len(frames))]
    one, other = (
        {f.index: f for f in compared_in_two_passes(whole(each), KNOWN, tmp_path) if isinstance(f, EncodedFrame)}
        for each in (frames, shuffled)
    )
    for index, frame in one.items():
        np.testing.assert_array_equal(frame.references_FR, other[index].references_FR)
    assert one[0].references_FR is not None and one[0].references_FR[0, -1] == 71


def test_so_far_is_what_was_seen_and_at_the_end_what_two_passes_say(tmp_path: Path) -> None:
    frames = film(700)
    far = [f for f in compared_so_far(whole(frames), KNOWN) if isinstance(f, EncodedFrame)]
    for count in (1, 2, 50, 200):
        for face, reference in zip(far[count - 1].faces, far[count - 1].references_FR, strict=True):  # type: ignore[arg-type]
            np.testing.assert_allclose(reference, literal(frames[:count], face.face), rtol=1e-6)
    both = [f for f in compared_in_two_passes(whole(frames), KNOWN, tmp_path) if isinstance(f, EncodedFrame)]
    np.testing.assert_array_equal(far[-1].references_FR, both[-1].references_FR)
    assert not np.array_equal(far[40].references_FR, both[40].references_FR)  # type: ignore[arg-type]


def test_so_far_waits_for_nothing() -> None:
    taken = 0

    def items() -> Iterator[Any]:
        nonlocal taken
        for item in whole(film(50)):
            taken += 1
            yield item

    for given, _ in enumerate(compared_so_far(items(), KNOWN)):
        assert taken == given + 1


def _peak(frames: int, folder: Path) -> int:
    def items() -> Iterator[Any]:
        yield Opened(VIDEO, FPS)
        for index in range(frames):
            yield encoded(VIDEO, index, {0: np.full(KNOWN, index), 1: np.zeros(KNOWN)})
        yield Closed(VIDEO)

    tracemalloc.start()
    count = sum(isinstance(item, EncodedFrame) for item in compared_in_two_passes(items(), KNOWN, folder))
    assert count == frames
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsefacs.inference.spool.IN_MEMORY", 2**16)
    short, long = (_peak(frames, tmp_path) for frames in (600, 3000))
    assert long < short + 200_000  # the spool of the longer one holds 3.6 MB more
    assert list(tmp_path.iterdir()) == []


def test_who_has_left_the_picture_leaves_a_reference_and_no_sample() -> None:
    people = People(KNOWN)
    for index in range(4000):
        people.add(encoded(VIDEO, index, {index // 10: np.full(KNOWN, index)}))
    assert len(people._samples) < people_module._SAMPLES_HELD + 20
    early = people.compared(encoded(VIDEO, 5, {0: np.zeros(KNOWN)})).references_FR
    np.testing.assert_allclose(early, [[4.5] * KNOWN + [0]])


def photo(path: str, person: str | None, faces: dict[int, Any]) -> list[Any]:
    source = Source(Path(path), person)
    return [Opened(source, None), encoded(source, 0, faces, photo=True), Closed(source)]


@pytest.mark.parametrize("way", ["two passes", "so far"])
def test_photos_of_a_sub_folder_are_one_person_s_where_they_show_one_face(tmp_path: Path, way: str) -> None:
    broken = Source(Path("in/ann/c.png"), "in/ann")
    items = [
        *photo("in/ann/a.png", "in/ann", {0: [1] * KNOWN}),
        *photo("in/ann/b.png", "in/ann", {0: [5] * KNOWN, 1: [9] * KNOWN}),
        Closed(broken, failed=InputError("broken")),
        *photo("in/ann/d.png", "in/ann", {0: [3] * KNOWN}),
        *photo("in/ben/a.png", "in/ben", {0: [8] * KNOWN}),
        *photo("in/loose.png", None, {0: [4] * KNOWN}),
        *photo("in/other.png", None, {}),
    ]
    stage = (
        compared_so_far(iter(items), KNOWN) if way == "so far" else compared_in_two_passes(iter(items), KNOWN, tmp_path)
    )
    found = list(stage)
    same_frames(found, items)
    frames = [item for item in found if isinstance(item, EncodedFrame)]
    first = [1, 0] if way == "so far" else [2, 1]
    assert [frame.references_FR[:, -2:].tolist() for frame in frames] == [  # type: ignore[index]
        [first],
        [[5, 0], [9, 0]],
        [[2, 1]],
        [[8, 0]],
        [[4, 0]],
        [],
    ]


def test_rows_of_a_video_come_before_the_next_is_read(tmp_path: Path) -> None:
    other = Source(Path("film/b.mp4"))

    def items() -> Iterator[Any]:
        yield from whole(film(5))
        raise AssertionError("read on")
        yield Opened(other, FPS)

    found = compared_in_two_passes(items(), KNOWN, tmp_path)
    assert [type(next(found)) for _ in range(7)] == [Opened] + [EncodedFrame] * 5 + [Closed]
    with pytest.raises(AssertionError, match="read on"):
        next(found)


def test_a_given_reference_is_made_of_the_largest_faces_and_counts_as_neutral() -> None:
    items = [
        *photo("rest/a.png", None, {0: [1] * KNOWN, 1: [2] * KNOWN}),  # face 1 is the larger
        *photo("rest/b.png", None, {0: [4] * KNOWN}),
        *photo("rest/c.png", None, {}),
    ]
    coder: Any = SimpleNamespace(known=KNOWN)
    notes: list[str] = []
    np.testing.assert_allclose(given_reference(iter(items), coder, [VIDEO], notes), [3] * KNOWN + [NEUTRAL_MOMENTS])
    assert notes == ["rest/c.png: no face was found in it, so that it is no part of the reference"]
    long = given_reference(whole(film(900)), coder, [VIDEO], notes)
    assert long[-1] == 72 and len(notes) == 1
    with pytest.raises(InputError, match="no face was found"):
        given_reference(iter(photo("rest/c.png", None, {})), coder, [VIDEO], notes)
    failed = Closed(VIDEO, failed=InputError("is empty", path=VIDEO.path))
    with pytest.raises(InputError, match="is empty"):
        given_reference(iter([failed]), coder, [VIDEO], notes)
    broken = Closed(VIDEO, damaged=((4, "is damaged"),), note="ends early")
    given_reference(iter([*photo("v.mp4", None, {0: [1] * KNOWN})[:-1], broken]), coder, [VIDEO], notes)
    assert notes[-3:-1] == [f"{VIDEO.name}: frame 5: is damaged", f"{VIDEO.name}: ends early"]


def test_a_sample_is_bounded_and_holds_no_batch() -> None:
    people, frames = People(KNOWN), film(1000)
    for frame in frames:
        people.add(frame)
    samples: list[PersonSample] = list(people._samples.values())
    assert [len(sample._kept) for sample in samples] == [SAMPLE, SAMPLE]
    assert all(vector.base is None for _, _, vector in samples[0]._kept)


def test_photos_in_sub_folders_are_named_after_their_person(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/deep/1.png", "b/0.mp4", "a.png", "c.mp4", ".hidden/x.png", "b/.x.png", "b/note.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    sources = list_sources([tmp_path, tmp_path / "b" / "2.png"])
    person = (tmp_path / "b").as_posix()
    assert [(one.path.relative_to(tmp_path).as_posix(), one.person) for one in sources] == [
        ("a.png", None),
        ("b/2.png", person),
        ("b/deep/1.png", person),
        ("b/0.mp4", None),
        ("c.mp4", None),
    ]
    assert [one.person for one in list_sources([tmp_path / "b" / "2.png"])] == [None]
