"""Which shard does what."""

from pathlib import Path

import pytest

from sparsefacs.errors import InputError
from sparsefacs.shards import WHOLE, Shard, deal, read_shard


def slurm(task, count, first=None, step=None):
    told = {"ID": task, "COUNT": count, "MIN": first, "STEP": step}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in told.items() if value is not None}


@pytest.mark.parametrize(
    ("given", "environment", "shard"),
    [
        ("3/8", {}, (3, 8)),
        ("1/1", slurm(4, 8, 0), (1, 1)),
        (None, {}, (1, 1)),
        (None, slurm(0, 8, 0), (1, 8)),
        (None, slurm(8, 8, 1), (8, 8)),
        (None, slurm(14, 8, 0, 2), (8, 8)),
        (None, slurm(1, 8), (2, 8)),
    ],
)
def test_a_shard_is_told_or_follows_from_slurm_s_array(given, environment, shard):
    found = read_shard(given, environment)
    assert (found.number, found.of) == shard


@pytest.mark.parametrize("given", ["0/8", "9/8", "3", "3/", "a/b", "-1/8", "1/0", "²/8"])
def test_what_is_no_shard_is_refused(given):
    with pytest.raises(InputError):
        read_shard(given, {})


@pytest.mark.parametrize("environment", [slurm(9, 3, 1), slurm(3, 8, 0, 2), slurm("x", 8)])
def test_arrays_with_gaps_are_refused_and_the_way_out_is_told(environment):
    with pytest.raises(InputError, match="--shard"):
        read_shard(None, environment)


def test_a_shard_that_slurm_gave_and_that_is_empty_is_refused():
    told = read_shard(None, slurm(3, 3, 1))
    told.check_busy(3, Path("films"))
    with pytest.raises(InputError, match=r"^films: nothing is left for shard 3 of 3 .* \(2\)\. .* add --shard 1/1;"):
        told.check_busy(2, Path("films"))
    for named in ("3/3", "1/1"):
        read_shard(named, slurm(3, 3, 1)).check_busy(0, Path("films"))


def test_each_piece_is_dealt_once_and_shards_are_about_equal():
    sizes = [7, 1, 9, 3, 3, 8, 2, 5, 0, 0, 0, 4]
    dealt = deal(sizes, 3)
    loads = [sum(size for size, shard in zip(sizes, dealt, strict=True) if shard == one) for one in (1, 2, 3)]
    assert sum(loads) == sum(sizes) and max(loads) - min(loads) <= 2
    assert deal(sizes, 3) == dealt and set(deal(sizes, 1)) == {1}
    assert sorted(set(deal([0] * 6, 3))) == [1, 2, 3], "files of no size are work too"
    assert WHOLE.is_whole and not Shard(1, 2).is_whole
