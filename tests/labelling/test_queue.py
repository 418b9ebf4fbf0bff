"""The queue: who is never asked for training, what is kept for the test, and that nobody is forgotten."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from made_stores import build_store, evident_store
from sparsefacs import api
from sparsefacs.coders import coder_names
from sparsefacs.data.answer_rows import face_keys
from sparsefacs.data.answers import Answer
from sparsefacs.data.store import Store
from sparsefacs.errors import InputError
from sparsefacs.evidence.vectors import VECTOR_WIDTH
from sparsefacs.inference.evaluation import code_store
from sparsefacs.inference.model import load_coder
from sparsefacs.labelling import features as kept
from sparsefacs.labelling import queue as queues
from sparsefacs.labelling.answer_file import AnswerFile
from sparsefacs.labelling.asking import Ask
from sparsefacs.labelling.choosing import STRATEGIES, choose
from sparsefacs.labelling.features import Features, store_features, with_pixels
from sparsefacs.labelling.pool import APART_S, Pool
from sparsefacs.labelling.queue import AT_ONCE, StoreQueue

AUS = (1, 4, 12)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Eight people of one clip of 16 seconds each."""
    return evident_store(tmp_path_factory.mktemp("queue") / "store")


def queue_of(store: Store, **settings: object) -> StoreQueue:
    return StoreQueue(store, AUS, **({"coder": "none"} | settings))  # type: ignore[arg-type]


def coded(store: Store, queue: StoreQueue, count: int, at_once: int = 8) -> list[Ask]:
    """Code `count` faces by the store's own labels, learning after every few."""
    labels = store.occurrence()
    answers: dict[int, dict[int, int | None]] = {}
    asked: list[Ask] = []
    while len(asked) < count:
        some = queue.next(answers, min(at_once, count - len(asked)))
        asked += some
        answers |= {each.row: dict(zip(AUS, labels[each.row].tolist(), strict=True)) for each in some}
        queue.learn(answers)
    return asked


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_people_of_the_test_are_asked_at_random_alone(faces: Store, strategy: str) -> None:
    queue = queue_of(faces, strategy=strategy, seed=3)
    subjects = faces.strings("subject")
    asked = coded(faces, queue, 40, 20)
    tests = [each for each in asked if each.test]
    rows = [each.row for each in asked]
    assert len(set(rows)) == 40
    assert len(tests) == 8
    assert {each.why for each in tests} == {"random"}
    tested = set(subjects[[each.row for each in tests]].tolist())
    assert tested <= set(subjects[queue.pool.test].tolist())
    assert not tested & set(subjects[[each.row for each in asked if not each.test]].tolist())
    assert len(set(subjects[queue.pool.test].tolist())) == 2


def test_the_random_share_depends_on_no_answer_and_no_strategy(faces: Store) -> None:
    drawn = []
    for strategy in ("ours", "margin"):
        queue = queue_of(faces, strategy=strategy)
        queue.learn({0: {1: 1, 4: 0, 12: None}} if strategy == "margin" else {})
        drawn.append([each.row for each in queue.next({}, 40) if each.test])
    assert drawn[0] == drawn[1]
    first = Counter(
        next(each.row for each in queue_of(faces, seed=seed).next({}, 5) if each.test) for seed in range(12)
    )
    assert len(first) >= 9  # another draw with every seed


def test_random_is_alike_for_all(faces: Store) -> None:
    """χ² of how often each face is drawn."""
    queue = queue_of(faces, strategy="random")
    beliefs, drawn = queue._now, Counter[int]()
    for seed in range(300):
        drawn.update(
            row for row, _ in choose("random", beliefs, queue.pool, np.array([2]), 10, np.random.default_rng(seed))
        )
    left = [row for row in queue.pool.train.tolist() if row != 2]
    assert set(drawn) <= set(left)
    expected = 300 * 10 / len(left)
    assert sum((drawn[row] - expected) ** 2 / expected for row in left) < 150  # of 95 degrees: 1 in 4,000


def test_labels_of_the_test_are_not_learned(faces: Store) -> None:
    queue = queue_of(faces)
    train, test = int(queue.pool.train[0]), int(queue.pool.test[0])
    answers = {train: dict.fromkeys(AUS, 1), test: dict.fromkeys(AUS, 1)}
    before = queue.beliefs(test)
    queue.learn(answers)
    one = queue.beliefs(test)
    queue.learn(answers | {test: dict.fromkeys(AUS, 0)})
    assert queue.beliefs(test) == one != before
    queue.learn(answers | {train: dict.fromkeys(AUS, 0)})
    assert queue.beliefs(train)[12] < one[12]


def test_what_cannot_be_judged_is_no_label(faces: Store) -> None:
    queue = queue_of(faces)
    row = int(queue.pool.train[5])
    before = queue.beliefs(row)
    queue.learn({row: dict.fromkeys(AUS)})
    assert queue.beliefs(row) == before


def test_the_same_seed_asks_the_same(faces: Store) -> None:
    first, again, other = (coded(faces, queue_of(faces, seed=seed), 24) for seed in (1, 1, 2))
    assert first == again != other


def test_nobody_is_forgotten(faces: Store) -> None:
    asked = [each.row for each in coded(faces, queue_of(faces), 45) if not each.test]
    counts = Counter(faces.strings("subject")[asked].tolist())
    assert len(counts) == 6
    assert max(counts.values()) <= 1.5 * 45 / 6 + 1


def test_reasons(faces: Store) -> None:
    queue = queue_of(faces)
    assert {each.why for each in queue.next({}, 10) if not each.test} == {"coverage"}
    assert {each.why for each in coded(faces, queue, 20)[10:] if not each.test} <= {"doubt", "rare"}


def test_a_store_is_coded_to_its_end(faces: Store) -> None:
    queue = queue_of(faces)
    answered = {row: {} for row in range(len(faces) - 3)}
    rest = queue.next(answered, 10)
    assert {each.row for each in rest} == {len(faces) - 3, len(faces) - 2, len(faces) - 1}
    assert queue.next({row: {} for row in range(len(faces))}, 1) == []


@pytest.mark.parametrize("people", [1, 2])
def test_few_people_are_tested_on_other_moments(tmp_path: Path, people: int) -> None:
    store = build_store(tmp_path / "s", subjects=people, frames=150, faces=True)
    queue = queue_of(store)
    asked = queue.next({}, 40)
    times, clips = store.numbers("time"), store.strings("subject")
    train, tests = ([each.row for each in asked if each.test is kind] for kind in (False, True))
    assert len(tests) == 8
    assert len(train) == 32
    pool = queue.pool
    assert 0.1 < pool.test_M.mean() < 0.3
    length = np.ptp(times) / 10
    near = min(APART_S, length / 4)
    for row in tests:
        same = np.array([each for each in pool.train if clips[each] == clips[row]])
        assert np.abs(times[same] - times[row]).min() >= near
    assert "other moments" in queue.told


def test_asked_faces_lie_apart_in_time() -> None:
    count = 400
    times = np.arange(count) / 100
    pool = Pool.made(np.array(["a", "b", "c", "d"] * (count // 4)), np.array(["c"] * count), times, 0, 0.25)
    assert sorted(np.unique(pool.person_M[pool.test])) == [pool.person_M[pool.test[0]]]
    drawn = pool.spread(pool.train, 30, np.random.default_rng(0))
    assert set(Counter(pool.person_M[drawn].tolist()).values()) == {10}


def test_ours_passes_over_neighbours(tmp_path: Path) -> None:
    store = build_store(tmp_path / "s", subjects=4, frames=100, faces=True)  # 4 seconds each
    queue = queue_of(store)
    rows = [each.row for each in queue.next({}, 20) if not each.test]
    times, who = store.numbers("time"), store.strings("subject")
    gaps = [abs(times[a] - times[b]) for a in rows for b in rows if a < b and who[a] == who[b]]
    assert min(gaps) >= APART_S


def test_bad_settings(faces: Store) -> None:
    with pytest.raises(InputError, match="no strategy is called"):
        queue_of(faces, strategy="best")
    with pytest.raises(InputError, match="no share"):
        queue_of(faces, test_share=1.0)
    with pytest.raises(InputError, match="no coder is called"):
        queue_of(faces, coder="coder-77")


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """A pass of the packaged coder that says the mean of a picture; returns how many faces it has seen."""
    seen = [0]

    def encode(images: np.ndarray) -> np.ndarray:
        seen[0] += len(images)
        return np.repeat(images.mean(axis=(1, 2, 3))[:, None], 57, axis=1).astype(np.float32) / 255

    monkeypatch.setattr(kept, "packaged_encoder", lambda coder: encode)
    return lambda: seen[0]


def test_the_coders_pass_is_done_once(tmp_path: Path, encoder: Callable[[], int]) -> None:
    store = build_store(tmp_path / "s", frames=4, faces=True)
    first = StoreQueue(store, AUS, wait=True)
    assert encoder() == len(store)
    assert first.known.whole
    again = StoreQueue(Store(store.path), AUS, wait=True)
    assert encoder() == len(store)
    assert again.beliefs(3) == first.beliefs(3)
    assert again.next({}, 6) == first.next({}, 6)
    file = next(store.path.glob("features-*.npz"))
    file.write_bytes(file.read_bytes()[:200])  # damaged: done anew
    StoreQueue(store, AUS, wait=True)
    assert encoder() == 2 * len(store)


def test_another_stores_pass_is_not_taken(tmp_path: Path, encoder: Callable[[], int]) -> None:
    one, other = (build_store(tmp_path / name, frames=4, seed=n, faces=True) for n, name in enumerate("ab"))
    StoreQueue(one, AUS, wait=True)
    file = next(one.path.glob("features-*.npz"))
    (other.path / file.name).write_bytes(file.read_bytes())
    StoreQueue(other, AUS, wait=True)
    assert encoder() == len(one) + len(other)


def test_without_the_pass_the_coder_knows_points(tmp_path: Path) -> None:
    store = evident_store(tmp_path / "s", subjects=4, frames=6)
    pool = Pool.of(store, seed=0, test_share=0.2)
    found = kept.store_features(store, AUS, coder_names()[-1], pool.train)
    assert not found.whole
    assert np.isnan(found.table.vectors_ME[:, VECTOR_WIDTH:]).all()
    assert found.begin is not None
    whole: Features = with_pixels(
        store, found, coder_names()[-1], lambda images: np.zeros((len(images), 57), np.float32)
    )
    assert whole.whole
    assert (whole.table.vectors_ME[:, VECTOR_WIDTH:] == 0).all()


@pytest.mark.parametrize("coder", ["coder", "none"])
def test_beliefs_are_the_codes_of_a_run_that_learned_from_the_same_answers(tmp_path: Path, coder: str) -> None:
    """From the coder, references are moved by how active people are; a choice is of weights, which learn without."""
    store = evident_store(tmp_path / "s")
    queue = StoreQueue(store, AUS, coder=coder, wait=True)
    labels, answers = store.occurrence(), {}
    with closing(AnswerFile(tmp_path / "labels.csv", AUS)) as file:
        for ask in queue.next({}, 20):
            answers[ask.row] = dict(zip(AUS, labels[ask.row].tolist(), strict=True))
            file.add(Answer(face_keys(store)[ask.row], "anna", "coded", answers[ask.row], test=ask.test))
    queue.learn(answers)
    recipe = {"coder": "small", "none": "evidence"}[coder]
    api.train("instant", store.path, tmp_path / "run", labels_from=tmp_path / "labels.csv", recipe=recipe)
    run = load_coder(tmp_path / "run")
    assert (run.settle is not None) == (coder == "coder")
    codes = code_store(run, store, np.arange(len(store)))
    found = np.array([list(queue.beliefs(row).values()) for row in range(len(store))])
    np.testing.assert_allclose(found, codes, atol=2e-3)  # what pixels say is kept in half precision
    unmoved = queue._now.probabilities(np.arange(len(store)))
    assert (np.abs(unmoved - codes).max() > 0.02) == (coder == "coder")


def test_the_first_faces_of_a_large_store_wait_for_no_numbers(faces: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Event()

    def slow(*given: object) -> Features:
        assert read.wait(10)
        return store_features(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(queues, "store_features", slow)
    monkeypatch.setattr(queues, "LARGE", 10)
    queue = StoreQueue(faces, AUS, coder="none")
    before: dict[int, object] = dict.fromkeys(queue.pool.train[:3].tolist())  # of an earlier session
    first = queue.next(before, 50)
    assert len(first) == len({ask.row for ask in first} - set(before)) == AT_ONCE
    train = [ask for ask in first if not ask.test]
    assert {ask.why for ask in train} == {"coverage"} and not queue.pool.test_M[[ask.row for ask in train]].any()
    assert len({int(queue.pool.person_M[ask.row]) for ask in train}) == min(len(train), 4)
    assert queue.beliefs(first[0].row) == {}
    read.set()
    assert len(queue.next(before | {ask.row: None for ask in first}, 8)) == 8
    assert set(queue.beliefs(first[0].row)) == set(AUS)
    queue.close()
