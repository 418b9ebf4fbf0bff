from sparsefacs.inference.presence import Presence


def run(frames, *, step=0.1, gap_s=1.0):
    presence = Presence(gap_s)
    return [presence.lost(seen, number * step) for number, seen in enumerate(frames)]


def test_a_lost_face_is_missed_and_forgotten_after_the_gap_if_others_stay():
    lost = run([[0, 1]] * 5 + [[0]] * 20)
    assert lost[:5] == [[]] * 5
    assert lost[5:14] == [[1]] * 9
    assert lost[15:] == [[]] * 10


def test_without_any_face_the_last_one_is_missed_to_the_end():
    assert run([[0]] * 5 + [[]] * 40)[5:] == [[0]] * 40


def test_nothing_is_missed_before_the_first_face():
    assert run([[], [], [0]]) == [[], [], []]


def test_a_fleeting_second_face_adds_no_rows():
    assert run([[0]] * 5 + [[0, 1]] * 2 + [[0]] * 5)[7:] == [[]] * 5


def test_a_returning_face_is_no_longer_missed():
    assert run([[0, 1]] * 4 + [[0]] + [[0, 1]] * 3) == [[]] * 4 + [[1]] + [[]] * 3


def test_memory_is_bounded_when_ids_keep_coming():
    presence = Presence(1.0)
    for number in range(2000):
        presence.lost([number], number * 0.1)
    assert len(presence._known) <= 12
