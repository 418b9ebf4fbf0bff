"""The file of answers: what holds, what is torn, and two who write at once."""

import os
from pathlib import Path

import pytest

from sparsefacs.data.answers import Answer, FaceKey, as_csv, as_line, header, is_answers, read_answers
from sparsefacs.errors import InputError
from sparsefacs.labelling.answer_file import AnswerFile

AUS = (1, 12)
KEY = FaceKey("a/clip.mp4", "S 1", "clip", 7, 0)


def answer(key=KEY, coder="anna", state="coded", **told) -> Answer:
    if state == "coded":
        told = {"occurrence": {1: 0, 12: 1}} | told
    return Answer(key, coder, state, **told)


def filled(path: Path, *answers: Answer) -> Path:
    file = AnswerFile(path, AUS)
    for each in answers:
        file.add(each)
    file.close()
    return path


def test_an_answer_comes_back_as_it_was_given(tmp_path):
    given = answer(
        FaceKey('=cmd|"x",\ny.mp4', "+S1", "'-c", 3, 1),
        "@ben, b",
        intensity={12: 3},
        sides={12: "L"},
        note='say "no", then = nothing',
        why="doubt",
        test=True,
        time_s=0.28,
        seconds=4.5,
        given_at="2026-01-02T03:04:05+00:00",
    )
    path = filled(tmp_path / "a.csv", given)
    assert list(read_answers(path).of("@ben, b").values()) == [given]
    assert is_answers(path)


def test_the_last_answer_holds_and_undo_brings_back_the_one_before(tmp_path):
    first, second = answer(), answer(occurrence={1: 1, 12: 1})
    path = filled(tmp_path / "a.csv", first, second)
    assert read_answers(path).of("anna") == {KEY: second}
    filled(path, answer(state="withdrawn"))
    assert read_answers(path).of("anna") == {KEY: first}
    filled(path, answer(state="withdrawn"))
    assert read_answers(path).standing.coders == []
    filled(path, answer(state="withdrawn"), second)  # nothing is left to take back
    assert read_answers(path).of("anna") == {KEY: second}


def test_of_two_coders_the_first_in_the_file_counts_where_both_coded(tmp_path):
    other = KEY._replace(frame=8)
    ben, late = answer(coder="ben", occurrence={1: 1, 12: 0}), answer(other, "ben")
    path = filled(tmp_path / "a.csv", answer(), ben, answer(other, state="skipped"), late)
    table = read_answers(path)
    assert table.of(None) == {KEY: answer(), other: late}
    assert table.of("ben") == {KEY: ben, other: late}
    with pytest.raises(InputError, match=r"has no answer of carl.*anna, ben"):
        table.of("carl")


def test_an_answer_is_on_the_disk_before_it_counts(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_size))
    file = AnswerFile(tmp_path / "a.csv", AUS)
    file.add(answer())
    assert flushed[-1] == (tmp_path / "a.csv").stat().st_size
    assert len(flushed) == 2
    file.close()


def test_a_kill_at_any_byte_loses_no_answer_given_before(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # two thousand of them take seconds
    path = filled(tmp_path / "a.csv", answer(), answer(KEY._replace(frame=8), note='two "lines'))
    whole = path.read_bytes()
    starts = [whole.index(b"\n") + 1, whole.index(b"\n", whole.index(b"\n") + 1) + 1]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        file = AnswerFile(path, AUS)
        expected = 0 if cut < starts[1] - 1 else 2 if cut == len(whole) - 1 else 1
        assert len(file.standing.order.get("anna", [])) == expected, cut
        torn = cut not in {0, *starts, starts[0] - 1, starts[1] - 1, len(whole) - 1} and cut > starts[0]
        assert bool(file.notes) == torn, cut
        file.add(answer(KEY._replace(frame=9)))
        file.close()
        if cut > starts[0]:
            assert path.read_bytes().startswith(whole[: starts[1]] if expected else whole[: starts[0]])
        assert len(read_answers(path).of("anna")) == expected + 1, cut


def test_a_torn_line_is_passed_over_by_readers_who_may_not_write(tmp_path):
    path = filled(tmp_path / "a.csv", answer(), answer(KEY._replace(frame=8)))
    path.write_bytes(path.read_bytes()[:-9])
    table = read_answers(path)
    assert table.torn
    assert list(table.of(None)) == [KEY]


def test_two_processes_on_one_file_lose_nothing_and_see_each_other(tmp_path):
    one, two = AnswerFile(tmp_path / "a.csv", AUS), AnswerFile(tmp_path / "a.csv")
    for frame in range(6):
        (one if frame % 2 else two).add(answer(KEY._replace(frame=frame), "anna" if frame % 2 else "ben"))
    one.refresh()
    assert [len(one.standing.of(coder)) for coder in ("anna", "ben")] == [3, 3]
    assert len(read_answers(tmp_path / "a.csv").of(None)) == 6
    one.close()
    two.close()


def test_a_full_disk_is_told_and_leaves_no_half_line(tmp_path, monkeypatch):
    path = filled(tmp_path / "a.csv", answer())
    file, whole, write = AnswerFile(path), path.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda handle, line: write(handle, line[:10]))
    with pytest.raises(InputError, match=r"cannot be written.*was not taken"):
        file.add(answer(KEY._replace(frame=8)))
    monkeypatch.undo()
    assert path.read_bytes() == whole
    file.add(answer(KEY._replace(frame=8)))
    file.close()
    assert len(read_answers(path).of(None)) == 2


def test_a_file_that_another_program_replaced_is_not_written_into(tmp_path):
    file = AnswerFile(filled(tmp_path / "a.csv", answer()))
    (tmp_path / "b.csv").write_bytes((tmp_path / "a.csv").read_bytes())
    (tmp_path / "b.csv").replace(tmp_path / "a.csv")
    with pytest.raises(InputError, match="changed by another program"):
        file.add(answer(KEY._replace(frame=8)))
    file.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,frame,AU01_c\na.mp4,1,1\n", "no file of answers"),
        (as_csv(header(AUS)) + b"torn\n" + as_line(answer(), AUS), "line 2 is damaged"),
        (as_csv(header(AUS)) + as_line(answer(), AUS).replace(b",0,,1,,", b",2,,1,,"), "line 2: cannot be read"),
        (as_csv(header((4,))), "holds answers on AUs 4, not on 1,12"),
    ],
)
def test_other_files_are_refused_and_left_as_they_are(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        AnswerFile(path, AUS)
    assert path.read_bytes() == content


def test_a_spreadsheet_saves_the_file_and_coding_goes_on(tmp_path):
    path = filled(tmp_path / "a.csv", answer())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    filled(path, answer(KEY._replace(frame=8)))
    assert len(read_answers(path).of(None)) == 2
