"""Published partitions: the lists, orders and AU sets of the community, letter by letter, and this project's own."""

import json
from pathlib import Path

import pytest

from sparsefacs.errors import InputError
from sparsefacs.protocols.folds import make_protocol, protocol_names
from sparsefacs.protocols.partitions import partition_orders, published

BP4D = {
    "part1": "F001,F002,F008,F009,F010,F016,F018,F023,M001,M004,M007,M008,M012,M014",
    "part2": "F003,F005,F011,F013,F020,F022,M002,M005,M010,M011,M013,M016,M017,M018",
    "part3": "F004,F006,F007,F012,F014,F015,F017,F019,F021,M003,M006,M009,M015",
}
DISFA = {
    "part1": "SN001,SN002,SN009,SN010,SN016,SN026,SN027,SN030,SN032",
    "part2": "SN006,SN011,SN012,SN013,SN018,SN021,SN024,SN028,SN031",
    "part3": "SN003,SN004,SN005,SN007,SN008,SN017,SN023,SN025,SN029",
}
BP4D_PLUS = {
    "F1": "M040,F072,M015,M029,M003,F076,F053,F026,F044,F066,F057,F061,F071,M050,M033,F079,F020,M025,F014,F004,F013,"
    "M017,F033,M042,M004,F038,F019,M036,M026,M048,F039,F046,M051,F047,M020",
    "F2": "F074,F012,F034,M001,F056,F075,M009,M038,F024,M047,F016,M045,M034,M022,F060,M011,M044,M046,M005,M028,F077,"
    "F028,M055,M019,F032,F030,M037,M043,F031,F022,M023,M018,M016,F065,M052",
    "F3": "F029,F054,F064,F045,F009,F040,F008,M041,F063,M056,M024,F001,F080,M010,F062,F035,M054,F052,F027,F043,F042,"
    "F050,M057,F078,F058,F017,M035,M030,M027,F021,M031,F069,F002,M008,F068",
    "F4": "M058,F037,F010,F023,M007,M002,F025,F073,F048,F041,F051,F011,M032,F005,M021,F018,M013,M049,M014,F070,F006,"
    "F067,M039,M006,F059,F003,F007,F049,M053,F081,F055,M012,F082,F015,F036",
}
FERA = {
    "train": "F001,F003,F005,F007,F009,F011,F013,F015,F017,F019,F021,F023,M001,M003,M005,M007,M009,M011,M013,M015,M017",
    "devel": "F002,F004,F006,F008,F010,F012,F014,F016,F018,F020,F022,M002,M004,M006,M008,M010,M012,M014,M016,M018",
}
TWELVE = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
PLUS_SUBJECTS = [f"F{number:03d}" for number in range(1, 83)] + [f"M{number:03d}" for number in range(1, 59)]
LISTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "folds.json"


def everyone(name: str) -> list[str]:
    return sorted({s for fold in published()[name]["folds"] for s in fold["test"] + fold.get("train", [])})


def parts(name: str) -> dict[str, tuple[str, ...]]:
    return {fold.name: fold.test for fold in make_protocol(name, everyone(name)).folds}


def listed(lists: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(sorted(names.split(","))) for name, names in lists.items()}


@pytest.mark.parametrize(("name", "lists"), [("bp4d-3fold", BP4D), ("disfa-3fold", DISFA), ("bp4d+-4fold", BP4D_PLUS)])
def test_parts_are_the_communitys_lists(name, lists):
    assert parts(name) == listed(lists)
    protocol = make_protocol(name, everyone(name))
    for fold in protocol.folds:
        assert set(fold.train) == set(everyone(name)) - set(fold.test)


def test_fera_trains_on_odd_and_tests_on_even_subjects():
    (fold,) = make_protocol("fera2015-bp4d", everyone("fera2015-bp4d")).folds
    assert {"train": fold.train, "devel": fold.test} == listed(FERA)
    assert all(int(name[1:]) % 2 for name in fold.train) and not any(int(name[1:]) % 2 for name in fold.test)


@pytest.mark.skipif(not LISTS.is_file(), reason="the subject lists are not beside the checkout")
def test_the_lists_above_are_those_of_the_file():
    file = json.loads(LISTS.read_text(encoding="utf-8"))
    assert file == {
        "BP4D_3fold": BP4D, "DISFA_3fold": DISFA, "BP4Dplus_4fold_FMAE": BP4D_PLUS, "FERA2015_BP4D": FERA,
    }  # fmt: skip


@pytest.mark.parametrize("name", protocol_names())
def test_every_table_is_whole(name):
    """Folds of one table test on everyone once (or say who trains), and name a source and the AUs."""
    protocol = make_protocol(name, everyone(name))
    assert protocol.notes == () and protocol.source and protocol.aus["occurrence"]
    tested = [subject for fold in protocol.folds for subject in fold.test]
    assert len(tested) == len(set(tested))
    for fold in protocol.folds:
        assert not fold.validation and len(fold.train) + len(fold.test) == len(everyone(name))
    counts = {"bp4d-3fold": 41, "disfa-3fold": 27, "bp4d+-4fold": 140, "bp4d+-3fold": 140, "fera2015-bp4d": 41}
    assert len(everyone(name)) == counts[name]
    assert set(tested) == set(everyone(name)) or name == "fera2015-bp4d"


def test_each_protocol_scores_its_aus():
    aus = {name: make_protocol(name, everyone(name)).aus for name in protocol_names()}
    assert aus["bp4d-3fold"] == aus["bp4d+-4fold"] == aus["bp4d+-3fold"] == {"occurrence": TWELVE}
    assert aus["fera2015-bp4d"] == {"occurrence": TWELVE[:-1], "intensity": (6, 10, 12, 14, 17)}
    assert aus["disfa-3fold"]["occurrence"] == (1, 2, 4, 6, 9, 12, 25, 26)
    assert aus["disfa-3fold"]["intensity"] == (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
    assert make_protocol("kfold:3", ["a", "b", "c"]).aus == {}
    assert "aus" not in make_protocol("kfold:3", ["a", "b", "c"]).as_json()
    assert make_protocol("fera2015-bp4d", everyone("fera2015-bp4d")).as_json()["aus"]["intensity"] == [
        6,
        10,
        12,
        14,
        17,
    ]


@pytest.mark.parametrize("name", ["bp4d-3fold", "disfa-3fold"])
def test_the_orders_of_public_code_number_the_same_folds(name):
    plain = make_protocol(name, everyone(name))
    graphau = make_protocol(f"{name}@me-graphau", everyone(name))
    fgnet = make_protocol(f"{name}@FG-Net".lower(), everyone(name))
    assert [fold.name for fold in graphau.folds] == ["part3", "part2", "part1"]
    assert graphau.folds[0] == plain.fold("part3")  # ME-GraphAU's fold 1 tests on part 3
    assert fgnet.folds == plain.folds and fgnet.name == f"{name}@fg-net"
    assert graphau.hash == plain.hash == fgnet.hash  # the same people on the same sides
    assert graphau.as_json()["folds"][0]["name"] == "part3"


def test_an_order_that_is_not_known_lists_those_that_are():
    with pytest.raises(InputError, match="or one of: bp4d-3fold@fg-net, bp4d-3fold@me-graphau"):
        make_protocol("bp4d-3fold@drml", everyone("bp4d-3fold"))
    with pytest.raises(InputError, match=r"Write bp4d\+-4fold, or one of: none"):
        make_protocol("bp4d+-4fold@fmae", everyone("bp4d+-4fold"))
    assert partition_orders() == [
        "bp4d-3fold@fg-net", "bp4d-3fold@me-graphau", "disfa-3fold@fg-net", "disfa-3fold@me-graphau",
    ]  # fmt: skip


def test_three_folds_of_bp4d_plus_are_this_projects_draw():
    assert everyone("bp4d+-3fold") == PLUS_SUBJECTS == everyone("bp4d+-4fold")
    again = make_protocol("kfold:3", PLUS_SUBJECTS, seed=0)
    assert list(parts("bp4d+-3fold").values()) == [fold.test for fold in again.folds]
    source = published()["bp4d+-3fold"]["source"]
    assert "seed 0" in source and "Not a community partition" in source


def test_hashes_of_published_numbers_stay():
    """These stand in runs and reports already: they must never differ."""
    hashes = {name: make_protocol(name, everyone(name)).hash for name in protocol_names()}
    assert {name: hashes[name] for name in ("bp4d-3fold", "disfa-3fold", "bp4d+-4fold", "fera2015-bp4d")} == {
        "bp4d-3fold": "1fc85a3802564651",
        "disfa-3fold": "fb8a3f75cb9efdab",
        "bp4d+-4fold": "719e88e60c65410a",
        "fera2015-bp4d": "b695f7211b6ca5ea",
    }
    subjects = [f"S{number:02d}" for number in range(12)]
    drawn = [make_protocol(spec, subjects, 0).hash for spec in ("holdout:25%", "kfold:3", "kfold:12")]
    assert drawn == ["d2bacf360ee0b7c4", "4dd74838cc8864ef", "3548155b42e9e389"]
