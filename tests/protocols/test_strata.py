"""Stratified budgets, nested budgets, gaps in frame numbers, and the card's counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefacs.errors import InputError
from sparsefacs.protocols.budget_words import parse_budget
from sparsefacs.protocols.budgets import _stratified_order, apply_budget, budget_card
from sparsefacs.protocols.draw import draw_keys

PEOPLE, LENGTH, AUS = 12, 400, 4


def made_store(seed: int = 0):
    """12 subjects × 400 frames whose 4 AUs are rare to common, so combinations run from frequent to single."""
    rng = np.random.default_rng(seed)
    subject = np.repeat([f"S{number:02d}" for number in range(PEOPLE)], LENGTH)
    occurrence = (rng.random((len(subject), AUS)) < [0.02, 0.1, 0.3, 0.5]).astype(np.int8)
    occurrence[rng.random(occurrence.shape) < 0.02] = -1
    occurrence[rng.random(len(subject)) < 0.1] = -1
    return {
        "subject": subject, "clip": np.tile(np.repeat(["T1", "T2"], LENGTH // 2), PEOPLE),
        "frame": np.tile(np.arange(LENGTH), PEOPLE), "occurrence": occurrence,
        "intensity": np.full(occurrence.shape, np.nan, np.float32),
        "rows": np.flatnonzero(~np.isin(subject, ["S01", "S05", "S06"])),
    }  # fmt: skip


STORE = made_store()
LABELLED = (STORE["occurrence"] >= 0).any(axis=1)
TRAINING = np.intersect1d(STORE["rows"], np.flatnonzero(LABELLED))


def visible(spec, seed=0, **changed):
    return apply_budget(spec, seed=seed, **(STORE | changed))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9))
@pytest.mark.parametrize("suffix", ["", ":stratified"])
def test_one_percent_lies_in_five_lies_in_ten(suffix, seed):
    one, five, ten = (visible(f"{share}%{suffix}", seed).mask for share in (1, 5, 10))
    assert 0 < one.sum() < five.sum() < ten.sum()
    assert not (one & ~five).any() and not (five & ~ten).any()
    for share, mask in ((1, one), (5, five), (10, ten)):
        assert mask.any(axis=1).sum() == round(len(TRAINING) * share / 100)
    hundred = visible(f"count:100{suffix}", seed).mask
    assert not (hundred & ~visible(f"count:300{suffix}", seed).mask).any()
    assert np.array_equal(visible(f"missing:95%{suffix}", seed).mask, five)


@pytest.mark.parametrize("suffix", ["", ":stratified"])
def test_the_choice_depends_on_training_subjects_only(suffix):
    """Other labels, names and frames of the held-out subjects, or none of them at all: the same frames."""
    outside = np.setdiff1d(np.arange(len(STORE["subject"])), STORE["rows"])
    changed = {name: STORE[name].copy() for name in ("subject", "occurrence", "frame")}
    changed["occurrence"][outside] = np.random.default_rng(9).integers(-1, 2, (len(outside), AUS))
    changed["subject"][outside], changed["frame"][outside] = "X", 7
    alone = {name: values[STORE["rows"]] for name, values in STORE.items() if name != "rows"}
    for spec in ("1%", "10%", "count:40"):
        here = visible(spec + suffix, 3).mask
        assert np.array_equal(visible(spec + suffix, 3, **changed).mask, here)
        without = apply_budget(spec + suffix, seed=3, rows=np.arange(len(STORE["rows"])), **alone).mask
        assert np.array_equal(without, here[STORE["rows"]])
        order = np.random.default_rng(1).permutation(len(LABELLED))
        moved = {name: values[order] for name, values in STORE.items() if name != "rows"}
        back = np.argsort(order)
        assert np.array_equal(apply_budget(spec + suffix, seed=3, rows=back[STORE["rows"]], **moved).mask[back], here)


def test_stratified_keeps_the_share_of_every_combination():
    codes = STORE["occurrence"].astype(int) @ [1, 10, 100, 1000]
    combinations, sizes = np.unique(codes[TRAINING], return_counts=True)
    assert sizes.min() < 3 and sizes.max() > 500  # from single ones to frequent ones
    for share in (5, 20):
        taken = TRAINING[visible(f"{share}%:stratified").mask[TRAINING].any(axis=1)]
        counts = np.array([(codes[taken] == combination).sum() for combination in combinations])
        assert np.all(np.abs(counts - sizes * share / 100) <= 2)  # within the frame or two that rounding costs
        plain = TRAINING[visible(f"{share}%").mask[TRAINING].any(axis=1)]
        drawn = np.array([(codes[plain] == combination).sum() for combination in combinations])
        assert np.abs(drawn - sizes * share / 100).max() > 4  # a plain draw strays further


def test_rare_combinations_do_not_come_too_early():
    """300 combinations of ten frames: a 1 % draw of them and of one of 3000 takes half from each."""
    stratum = np.concatenate([np.repeat(np.arange(1, 301), 10), np.zeros(3000, int)])
    combinations = np.stack([stratum // 100, stratum % 100], axis=1).astype(np.int8)
    rare = []
    for seed in range(30):
        order = _stratified_order(draw_keys(seed, "frame", ((n,) for n in range(6000))), combinations)
        assert sorted(order.tolist()) == list(range(6000))
        rare.append((stratum[order[:60]] > 0).mean())
    assert 0.45 < np.mean(rare) < 0.55


def test_within_a_combination_every_frame_has_the_same_chance():
    combinations = np.repeat([[0], [1]], [40, 160], axis=0).astype(np.int8)
    taken = np.zeros(200)
    for seed in range(600):
        order = _stratified_order(draw_keys(seed, "frame", ((n,) for n in range(200))), combinations)
        taken[order[:40]] += 1
    assert np.all(np.abs(taken / 600 - 0.2) < 0.075)  # 4.5 standard errors


def test_intensity_is_stratified_by_rounded_grades():
    intensity = np.full(STORE["occurrence"].shape, np.nan, np.float32)
    grades = np.random.default_rng(2).choice([0, 1, 2, 5], len(LABELLED), p=[0.7, 0.2, 0.08, 0.02])
    intensity[:, 1] = np.clip(grades + np.random.default_rng(3).uniform(-0.4, 0.4, len(grades)), 0, 5)
    blank = np.full_like(STORE["occurrence"], -1)
    shown = visible("10%:stratified", occurrence=blank, intensity=intensity).mask[:, 1]
    for grade in (0, 1, 2, 5):
        there = np.intersect1d(STORE["rows"], np.flatnonzero(grades == grade))
        assert abs(shown[there].sum() - 0.1 * len(there)) <= 1.5


def test_specs_of_stratified_budgets():
    assert visible(" 5.0%:STRATIFIED ").spec == "5%:stratified"
    assert visible("missing:95%:stratified").spec == "missing:95%:stratified"
    assert parse_budget("count:7:stratified") == ("count", 7.0, True) and parse_budget("5%") == ("percent", 5.0, False)
    assert visible("100%:stratified").entries == visible("all").entries
    for spec in ("all", "entries:30%", "subjects:3", "every:4", "one-per-clip:5"):
        with pytest.raises(InputError, match=f"'{spec}' cannot be stratified.*Forms: all"):
            parse_budget(f"{spec}:stratified")
    for spec in ("5%:strat", ":stratified", "5%:stratified:stratified"):
        with pytest.raises(InputError, match=r"is not a label budget.*5%:stratified"):
            parse_budget(spec)


def clip_with_gaps():
    """A clip of which the store lacks frames 3–9 and 14, with frame 12 unlabelled; rows are not in frame order."""
    frame = np.array([13, 0, 1, 2, 10, 11, 12, 15, 16])
    occurrence = np.ones((9, 1), np.int8)
    occurrence[frame == 12] = -1
    blank = np.full(occurrence.shape, np.nan, np.float32)
    return {
        "subject": np.repeat("A", 9), "clip": np.repeat("c", 9), "frame": frame, "occurrence": occurrence,
        "intensity": blank, "rows": np.arange(9),
    }  # fmt: skip


def test_every_counts_labelled_frames_over_gaps():
    store = clip_with_gaps()
    assert sorted(store["frame"][apply_budget("every:3", seed=0, **store).mask[:, 0]]) == [0, 10, 15]
    assert sorted(store["frame"][apply_budget("every:99", seed=0, **store).mask[:, 0]]) == [0]


def test_one_per_clip_cuts_by_position_over_gaps():
    """Pieces of four of the store's frames: 0 1 2 10, 11 12 13 15, 16."""
    store, chosen = clip_with_gaps(), []
    for seed in range(40):
        frames = sorted(store["frame"][apply_budget("one-per-clip:4", seed=seed, **store).mask[:, 0]])
        assert [sum(frame in piece for frame in frames) for piece in ([0, 1, 2, 10], [11, 13, 15], [16])] == [1, 1, 1]
        chosen += frames
    assert set(chosen) == {0, 1, 2, 10, 11, 13, 15, 16}  # any labelled frame of a piece can be the one
    assert apply_budget("one-per-clip:9", seed=0, **store).frames == 1


def test_card_counts_what_is_visible_of_the_training_labels():
    shown = visible("10%", 2)
    arrays = {name: STORE[name] for name in ("occurrence", "intensity", "subject", "rows")}
    card = budget_card(shown, (1, 4, 6, 12), **arrays)
    assert shown.as_json().items() <= card.items()
    assert list(card["per_au"]) == ["1", "4", "6", "12"]
    for column, counts in enumerate(card["per_au"].values()):
        seen = STORE["occurrence"][shown.mask[:, column], column]
        assert counts["labelled"] == len(seen) == counts["positive"] + counts["negative"]
        assert counts["positive"] == (seen == 1).sum() and "intensity" not in counts
        there = (STORE["occurrence"][STORE["rows"], column] >= 0).sum()
        assert counts["percent"] == round(100 * len(seen) / there, 3)
    assert card["labelled_subjects"] == sorted(set(STORE["subject"][shown.mask.any(axis=1)].tolist()))
    assert card["subjects"] == len(card["labelled_subjects"]) == 9
    assert budget_card(visible("all"), (1, 4, 6, 12), **arrays)["percent"] == 100
    one = budget_card(visible("subjects:1"), (1, 4, 6, 12), **arrays)
    assert one["subjects"] == 1 and 5 < one["percent"] < 20


def test_card_of_intensity_labels():
    intensity = STORE["intensity"].copy()
    intensity[STORE["rows"][:50], 2] = 3.0
    blank = np.full_like(STORE["occurrence"], -1)
    shown = visible("50%", occurrence=blank, intensity=intensity)
    card = budget_card(shown, (1, 4, 6, 12), blank, intensity, STORE["subject"], STORE["rows"])
    assert card["per_au"]["6"] == {"labelled": 25, "positive": 0, "negative": 0, "percent": 50.0, "intensity": 25}
    assert card["per_au"]["1"] == {"labelled": 0, "positive": 0, "negative": 0, "percent": 0.0, "intensity": 0}
