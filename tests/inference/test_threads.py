import threading
import time

import pytest

from sparsefacs.inference.threads import overlapped


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_order_is_kept(depth):
    assert list(overlapped(iter(range(100)), depth, "t")) == list(range(100))


@pytest.mark.parametrize("depth", [0, 3])
def test_an_error_comes_out_after_the_items_before_it(depth):
    def items():
        yield 1
        raise KeyError("broken")

    stage, got = overlapped(items(), depth, "t"), []
    with pytest.raises(KeyError, match="broken"):
        for item in stage:
            got.append(item)
    assert got == [1]


def test_no_more_than_depth_items_are_made_ahead():
    made = []

    def items():
        for number in range(50):
            made.append(number)
            yield number

    stage = overlapped(items(), 3, "t")
    assert next(stage) == 0
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 5  # one taken, three waiting, one in hand
    stage.close()


def test_stopping_early_closes_the_whole_chain_in_its_threads():
    closed = {}

    def items():
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed["first"] = threading.current_thread().name

    def double(numbers):
        try:
            for number in numbers:
                yield 2 * number
        finally:
            numbers.close()
            closed["second"] = threading.current_thread().name

    stage = overlapped(double(overlapped(items(), 2, "first")), 2, "second")
    assert [next(stage) for _ in range(3)] == [0, 2, 4]
    stage.close()
    assert closed == {"first": "first", "second": "second"}
    assert not {"first", "second"} & {thread.name for thread in threading.enumerate()}
