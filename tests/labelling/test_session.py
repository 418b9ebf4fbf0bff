"""A coder's session: what is asked, what is written, what undo brings back, and what stays hidden."""

import json
from threading import Event, Thread

import pytest

from made_answers import said
from sparsefacs.data.answers import Answer, FaceKey, read_answers
from sparsefacs.errors import InputError
from sparsefacs.labelling.asking import Ask, Asker


def test_each_answer_leads_to_the_next_face_and_stands_in_the_file(open_session, tmp_path):
    session = open_session()
    shown = session.next("tab")["face"]
    assert (shown["row"], shown["around"], shown["answer"]) == (0, list(range(8)), None)
    found = session.answer("tab", said(0, 12, note="a\nnote", sides={"12": "L"}, intensity={"12": 3, "1": 0}))
    assert found["face"]["row"] == 1
    assert found["progress"]["present"] == {1: 0, 4: 0, 12: 1}
    (answer,) = read_answers(tmp_path / "labels.csv").of("anna").values()
    assert (answer.occurrence, answer.intensity, answer.sides) == ({1: 0, 4: 0, 12: 1}, {12: 3, 1: 0}, {12: "L"})
    assert (answer.note, answer.why, answer.test, answer.time_s, answer.seconds) == ("a note", "random", False, 0, 1.5)
    json.dumps(found)


def test_cannot_be_judged_is_no_label_and_a_skipped_face_none_at_all(open_session, tmp_path):
    session = open_session()
    told = said(0, 4)
    told["occurrence"]["1"] = None
    session.answer("tab", told)
    session.answer("tab", said(1, 4, state="unusable"))
    assert session.answer("tab", said(2, state="skipped"))["face"]["row"] == 3
    found = list(read_answers(tmp_path / "labels.csv").of("anna").values())
    assert [answer.occurrence for answer in found] == [{4: 1, 12: 0}, {}, {}]
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    assert ",,,1,,0,,,,coded" in lines[1]


def test_undo_goes_back_to_the_first_answer_and_keeps_why_it_was_asked(open_session, tmp_path):
    session = open_session()
    session.next("tab")
    for row in range(3):
        session.answer("tab", said(row, 12))
    rows = [session.undo("tab")["face"] for _ in range(3)]
    assert [face["row"] for face in rows] == [2, 1, 0]
    assert rows[0]["answer"]["occurrence"] == {1: 0, 4: 0, 12: 1}
    assert session.undo("tab")["face"] is None
    assert session.next("tab")["face"]["row"] == 0  # what was taken back is asked, and then the others
    assert [session.answer("tab", said(row, 1))["face"]["row"] for row in (0, 1, 2)] == [1, 2, 3]
    assert {answer.why for answer in read_answers(tmp_path / "labels.csv").of("anna").values()} == {"random"}


def test_undo_of_a_corrected_answer_brings_back_the_first(open_session, tmp_path):
    session = open_session()
    session.answer("tab", said(0, 12))
    session.answer("tab", said(0, 1))
    assert session.undo("tab")["face"]["answer"]["occurrence"][1] == 1
    (answer,) = read_answers(tmp_path / "labels.csv").of("anna").values()
    assert answer.occurrence[12] == 1


def test_back_shows_earlier_answers_and_leaves_them(open_session):
    session = open_session()
    for row in range(3):
        session.answer("tab", said(row, 4))
    assert [session.visit(-1, -1)["face"]["row"], session.visit(2, -1)["face"]["row"]] == [2, 1]
    assert session.visit(0, -1)["face"] is None
    assert session.visit(1, 1)["face"]["answer"]["occurrence"][4] == 1
    assert session.visit(2, 1)["face"] is None


def test_tabs_are_asked_different_faces_and_see_each_others_answers(open_session):
    session = open_session()
    assert [session.next(tab)["face"]["row"] for tab in ("one", "two", "one")] == [0, 1, 0]
    assert session.answer("two", said(1))["progress"]["coded"] == 1
    assert session.next("one")["progress"]["coded"] == 1
    other = open_session()  # a second program, on the same file
    assert other.next("three")["face"]["row"] == 0
    other.answer("three", said(0))
    assert session.next("one")["face"]["row"] not in {0, 1}
    assert session.next("one")["progress"]["coded"] == 2


def test_a_second_coder_codes_a_share_again_blind_and_else_other_faces(open_session, tmp_path):
    anna = open_session()
    for row in range(12):
        anna.answer("tab", said(row, 12))
    ben = open_session(coder="ben", double=0.5)
    asked = []
    for _ in range(8):
        face = ben.next("tab")["face"]
        asked.append(face["row"])
        if face["row"] < 12:
            assert face["beliefs"] is None
            assert face["answer"] is None
        ben.answer("tab", said(face["row"], 1))
    assert sum(row < 12 for row in asked) == 4
    assert len(set(asked)) == 8
    table = read_answers(tmp_path / "labels.csv")
    assert [len(table.of(coder)) for coder in ("anna", "ben")] == [12, 8]
    assert ben.next("tab")["progress"]["double"] == 4
    with_none = open_session(coder="carl", double=0.0)
    assert with_none.next("tab")["face"]["row"] not in {*range(12), *asked}


def test_faces_of_the_test_are_marked_and_the_model_is_hidden_there(open_session, tmp_path):
    session = open_session()
    for row in range(40):
        assert session.next("tab")["face"]["beliefs"] == {1: 0.25, 4: 0.25, 12: 0.25}
        session.answer("tab", said(row))
    face = session.next("tab")["face"]
    assert (face["subject"], face["beliefs"], face["why"]) == ("s05", None, "")
    session.answer("tab", said(face["row"]))
    again = session.undo("tab")["face"]
    assert again["beliefs"] is None
    open_session()  # begun anew
    session.answer("tab", said(face["row"]))
    tests = [answer.test for answer in read_answers(tmp_path / "labels.csv").of("anna").values()]
    assert tests == [False] * 40 + [True]


def test_blind_never_shows_what_the_model_believes(open_session):
    session = open_session(blind=True)
    assert session.next("tab")["face"]["beliefs"] is None
    assert session.describe()["blind"]


def test_the_model_learns_from_time_to_time_from_all_that_holds(open_session):
    session = open_session()
    queue = session.asker._queue
    for row in range(20):
        session.answer("tab", said(row, 4))
    assert [len(told) for told in queue.learned] == [8, 16]
    assert queue.learned[1][3] == {1: 0, 4: 1, 12: 0}


def test_what_fails_beside_is_told_and_does_not_stop_coding(open_session):
    session = open_session()
    session.asker._queue.learn = lambda told: 1 / 0
    for row in range(8):
        found = session.answer("tab", said(row))
    assert "learning from the answers failed" in found["progress"]["problem"]
    assert found["face"]["row"] == 8


@pytest.mark.parametrize(
    "told",
    [
        {"row": 48},
        {"row": -1},
        {"row": True},
        {"row": "../0"},
        {"state": "withdrawn"},
        {"occurrence": {"2": 1}},
        {"occurrence": {"12": 2}},
        {"occurrence": {"12": True}},
        {"occurrence": [1]},
        {"intensity": {"12": 6}},
        {"intensity": {"12": 3}},  # of an AU that is absent
        {"sides": {"12": "L"}},
        {"sides": {"4": "<b>"}},
        {"note": 3},
        {"seconds": "1"},
    ],
)
def test_what_the_page_would_not_send_is_not_written(open_session, tmp_path, told):
    session = open_session()
    with pytest.raises(InputError):
        session.answer("tab", said(0, 4) | told)
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 1


def test_the_usual_look_is_of_the_same_person(open_session, faces_store):
    session = open_session()
    subjects = [key.subject for key in session.faces.keys]
    for row in (0, 9, 47):
        found = session.faces.reference(row)
        assert subjects[found] == subjects[row]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"coder": " "}, "is no name"),
        ({"coder": "a\nb"}, "is no name"),
        ({"double": 1.5}, "no share"),
        ({"name": "labels.xlsx"}, "written as CSV"),
        ({"aus": ()}, "no AU was named"),
    ],
)
def test_settings_that_cannot_be_are_told(open_session, told, message):
    with pytest.raises(InputError, match=message):
        open_session(**told)


def test_a_pass_of_the_queue_that_fails_is_told(open_session):
    session = open_session()
    assert session.next("a")["progress"]["problem"] == ""
    session.asker._queue.problem = "the coder cannot be read"
    assert session.next("a")["progress"]["problem"] == "the coder cannot be read"


def test_who_answers_before_the_next_faces_are_chosen_waits_for_them() -> None:
    asked, choose = list[int](), Event()

    class Slow:
        problem = ""

        def next(self, answered, count=1):
            asked.append(count)
            assert count == 1 or choose.wait(10)
            return [Ask(row, "doubt") for row in range(20) if row not in answered][:count]

        def beliefs(self, row):
            return {}

    asker = Asker(Slow(), 0.0, lambda work: Thread(target=work, daemon=True).start())
    first = asker.next("a", {}, {})
    own = {first.row: Answer(FaceKey("a.mp4", "a", "c", 0, 0), "anna", "coded")}
    found = []
    answering = Thread(target=lambda: found.append(asker.next("a", own, {})))
    answering.start()
    answering.join(0.1)
    choose.set()
    answering.join(10)
    assert found[0].row != first.row and asked.count(1) == 1
    asker.close()
