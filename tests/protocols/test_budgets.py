"""Label budgets: exact counts, nested draws, blind to test rows and row order, safe on disk."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefacs.errors import InputError
from sparsefacs.protocols.budget_words import parse_budget
from sparsefacs.protocols.budgets import VisibleLabels, apply_budget

PEOPLE, CLIPS, LENGTH, AUS = 8, 2, 25, 5


def small_store(seed: int = 0):
    """8 subjects × 2 clips × 25 frames; a fifth of the frames and a tenth of the entries unlabelled."""
    rng = np.random.default_rng(seed)
    subject = np.repeat([f"S{i}" for i in range(PEOPLE)], CLIPS * LENGTH)
    clip = np.tile(np.repeat(["T1", "T2"], LENGTH), PEOPLE)
    frame = np.tile(np.arange(LENGTH), PEOPLE * CLIPS)
    occurrence = rng.integers(0, 2, (len(subject), AUS)).astype(np.int8)
    occurrence[rng.random(len(subject)) < 0.2] = -1
    occurrence[rng.random(occurrence.shape) < 0.1] = -1
    intensity = np.full(occurrence.shape, np.nan, np.float32)
    rows = np.flatnonzero(~np.isin(subject, ["S1", "S6"]))
    return {
        "subject": subject, "clip": clip, "frame": frame, "occurrence": occurrence, "intensity": intensity,
        "rows": rows,
    }  # fmt: skip


STORE = small_store()
LABELLED = (STORE["occurrence"] >= 0)[STORE["rows"]]
FRAMES, ENTRIES = int(LABELLED.any(axis=1).sum()), int(LABELLED.sum())


def visible(spec, seed=0, **changed):
    return apply_budget(spec, seed=seed, **(STORE | changed))


@pytest.mark.parametrize(
    "spec", ["all", "20%", "count:17", "missing:30%", "entries:30%", "subjects:3", "every:4", "one-per-clip:5"]
)
def test_only_labelled_training_entries_show(spec):
    mask = visible(spec).mask
    assert mask.shape == STORE["occurrence"].shape and mask.any()
    assert not mask[STORE["occurrence"] < 0].any()
    outside = np.setdiff1d(np.arange(len(mask)), STORE["rows"])
    assert not mask[outside].any()


def test_exact_counts():
    assert visible("all").entries == ENTRIES and visible("all").frames == FRAMES
    assert visible("20%").frames == round(0.2 * FRAMES)
    assert visible("count:17").frames == 17
    assert visible("missing:30%").frames == round(0.7 * FRAMES)
    assert visible("entries:30%").entries == round(0.7 * ENTRIES)
    assert visible("100%").entries == ENTRIES and visible("missing:0%").hash != visible("all").hash
    shown = visible("subjects:3")
    assert len(set(STORE["subject"][shown.mask.any(axis=1)])) == 3
    chosen = np.isin(STORE["subject"], list(set(STORE["subject"][shown.mask.any(axis=1)])))
    assert np.array_equal(shown.mask, (STORE["occurrence"] >= 0) & chosen[:, None])


@pytest.mark.parametrize("spec", ["20%", "count:17", "missing:30%"])
def test_whole_frames(spec):
    mask = visible(spec).mask
    shown = mask.any(axis=1)
    assert np.array_equal(mask[shown], (STORE["occurrence"] >= 0)[shown])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.floats(2, 100), st.floats(2, 100))
def test_smaller_budgets_lie_in_larger_ones(seed, one, other):
    low, high = sorted([one, other])
    assert not (visible(f"{low:.2f}%", seed).mask & ~visible(f"{high:.2f}%", seed).mask).any()
    less, more = 100 - high, 100 - low
    assert not (visible(f"entries:{more:.2f}%", seed).mask & ~visible(f"entries:{less:.2f}%", seed).mask).any()
    assert not (visible("subjects:2", seed).mask & ~visible("subjects:5", seed).mask).any()
    assert not (visible("count:3", seed).mask & ~visible("5%", seed).mask).any()


def test_seed_decides():
    for spec in ("10%", "entries:50%", "subjects:3", "one-per-clip:5"):
        assert len({visible(spec, seed).hash for seed in range(4)}) == 4
        assert visible(spec, 2).hash == visible(spec, 2).hash


def test_draws_are_spread_evenly_over_frames_and_columns():
    shows = np.mean([visible("30%", seed).mask.any(axis=1)[STORE["rows"]] for seed in range(300)], axis=0)
    shows = shows[LABELLED.any(axis=1)]
    assert shows.min() > 0.18 and shows.max() < 0.42  # 0.3 ± 4.5 standard errors
    hidden = visible("entries:40%").mask[STORE["rows"]].sum(axis=0) / LABELLED.sum(axis=0)
    assert np.all(np.abs(hidden - 0.6) < 0.12)


def test_row_order_and_test_rows_do_not_matter():
    order = np.random.default_rng(5).permutation(len(STORE["subject"]))
    back = np.argsort(order)
    moved = {k: STORE[k][order] for k in ("subject", "clip", "frame", "occurrence", "intensity")}
    other = STORE["occurrence"].copy()
    outside = np.setdiff1d(np.arange(len(other)), STORE["rows"])
    other[outside] = 1 - np.maximum(other[outside], 0)
    for spec in ("10%", "entries:50%", "subjects:3", "every:4", "one-per-clip:5", "count:9"):
        here = visible(spec).mask
        assert np.array_equal(visible(spec, **moved, rows=back[STORE["rows"]]).mask[back], here)
        assert np.array_equal(visible(spec, rows=STORE["rows"][::-1]).mask, here)
        assert np.array_equal(visible(spec, occurrence=other).mask, here)


def test_every_takes_first_and_each_nth_labelled_frame_of_a_clip():
    mask = visible("every:4").mask.any(axis=1)
    for who in set(STORE["subject"][STORE["rows"]]):
        for where in ("T1", "T2"):
            rows = np.flatnonzero((STORE["subject"] == who) & (STORE["clip"] == where))
            labelled = rows[(STORE["occurrence"][rows] >= 0).any(axis=1)]
            assert np.flatnonzero(mask[labelled]).tolist() == list(range(0, len(labelled), 4))


def test_one_key_frame_in_each_piece_of_a_clip():
    mask = visible("one-per-clip:5").mask.any(axis=1)
    labelled = (STORE["occurrence"] >= 0).any(axis=1)
    for start in range(0, len(mask), 5):  # 25 frames a clip: pieces are whole
        piece = slice(start, start + 5)
        wanted = 1 if start in STORE["rows"] and labelled[piece].any() else 0
        assert mask[piece].sum() == wanted


def test_two_faces_in_a_frame_are_drawn_apart():
    occurrence = np.ones((200, 1), np.int8)
    store = {
        "subject": np.repeat("A", 200), "clip": np.repeat("c", 200), "frame": np.repeat(np.arange(100), 2),
        "occurrence": occurrence, "intensity": np.full((200, 1), np.nan, np.float32), "rows": np.arange(200),
    }  # fmt: skip
    pairs = apply_budget("50%", seed=0, **store).mask.reshape(100, 2)
    assert pairs.sum() == 100 and 20 < (pairs.sum(axis=1) == 1).sum() < 80
    repeated = store | {"rows": np.r_[np.arange(200)[::-1], 3, 3]}  # neither order nor repeats of `rows` matter
    assert np.array_equal(apply_budget("50%", seed=0, **repeated).mask.reshape(100, 2), pairs)
    assert apply_budget("every:10", seed=0, **store).mask.reshape(100, 2)[::10].all()


def test_intensity_alone_counts_as_labelled():
    intensity = STORE["intensity"].copy()
    intensity[STORE["rows"][:10], 2] = 3.0
    shown = visible("all", occurrence=np.full_like(STORE["occurrence"], -1), intensity=intensity)
    assert shown.entries == 10 and shown.frames == 10
    occurrence, kept = shown.hide(STORE["occurrence"], intensity)
    assert (occurrence >= 0).sum() == (STORE["occurrence"][STORE["rows"][:10], 2] >= 0).sum()
    assert np.isfinite(kept).sum() == 10 and occurrence.dtype == np.int8 and kept.dtype == np.float32


def test_file_round_trip_and_tampering(tmp_path):
    shown, path = visible("entries:30%", 4), tmp_path / "labels.parquet"
    shown.save(path)
    again = VisibleLabels.load(path)
    assert np.array_equal(again.mask, shown.mask) and again.as_json() == shown.as_json()
    assert again.as_json()["spec"] == "entries:30%" and again.as_json()["entries"] == shown.entries
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(InputError, match="hash is not that of its labels"):
        VisibleLabels.load(path)
    pq.write_table(table.replace_schema_metadata({}), path)
    with pytest.raises(InputError, match="holds no visible labels"):
        VisibleLabels.load(path)
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(InputError, match="holds no visible labels"):
        VisibleLabels.load(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"labels\.parquet: holds no visible labels"):
        VisibleLabels.load(path)
    with pytest.raises(InputError, match="is missing"):
        VisibleLabels.load(tmp_path / "none.parquet")


@pytest.mark.parametrize(
    "spec", ["", "5", "0%", "101%", "-3%", "count:0", "count:2.5", "missing:100%", "entries:x%", "subjects:", "every:0"]
)
def test_bad_specs_list_the_forms(spec):
    with pytest.raises(InputError, match="Forms: all, 5%, count:1000") as caught:
        parse_budget(spec)
    assert "\n" not in str(caught.value)


def test_specs_are_written_one_way():
    assert visible(" 5.0% ").spec == "5%" and visible("ALL").spec == "all"
    assert visible("missing:12.50%").spec == "missing:12.5%" and visible("count:007").spec == "count:7"


def test_more_than_there_is_and_nothing_left():
    with pytest.raises(InputError, match=f"more than the {FRAMES} labelled training frames"):
        visible(f"count:{FRAMES + 1}")
    with pytest.raises(InputError, match="more than the 6 labelled training subjects"):
        visible("subjects:7")
    with pytest.raises(InputError, match="leaves no label"):
        visible("0.01%")
    with pytest.raises(InputError, match="no training face carries a label"):
        visible("all", occurrence=np.full_like(STORE["occurrence"], -1))
