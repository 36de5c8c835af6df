"""One at a time, in order, told their place; whoever leaves is not waited for."""

import threading
import time

import pytest

from transformer.ui.models.queue import Queue


def until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "expected it within 10 s"
        time.sleep(0.005)


def test_turns_are_had_one_at_a_time_and_in_the_order_of_coming() -> None:
    queue, order, inside, most = Queue(), list[int](), list[int](), list[int]()

    def work(number: int) -> None:
        with queue.turn():
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.005)
            inside.remove(number)
            order.append(number)

    with queue.turn():
        threads = []
        for number in range(6):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            until(lambda count=number + 2: len(queue) == count)
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == list(range(6)) and set(most) == {1} and len(queue) == 0


def test_who_waits_is_told_how_many_are_before() -> None:
    queue, told = Queue(), list[int]()
    free = threading.Event()

    def first() -> None:
        with queue.turn():
            free.wait(10)

    def second() -> None:
        with queue.turn(told.append):
            told.append(0)

    threads = [threading.Thread(target=first)]
    threads[0].start()
    until(lambda: len(queue) == 1)
    for _ in range(2):
        threads.append(threading.Thread(target=second))
        threads[-1].start()
        until(lambda: len(queue) == len(threads))
    until(lambda: {1, 2} <= set(told))
    free.set()
    for thread in threads:
        thread.join(10)
    assert set(told) == {0, 1, 2} and told[-1] == 0


def test_a_turn_within_a_turn_does_not_wait_for_itself() -> None:
    queue = Queue()
    with queue.turn():
        with queue.turn():
            assert len(queue) == 1
        assert len(queue) == 1, "the inner one does not give the outer's turn away"
    assert len(queue) == 0


def test_whoever_leaves_while_waiting_holds_nobody_up() -> None:
    queue = Queue()
    free, left = threading.Event(), threading.Event()

    def first() -> None:
        with queue.turn():
            free.wait(10)

    def leave(before: int) -> None:
        raise InterruptedError

    def second() -> None:
        with pytest.raises(InterruptedError), queue.turn(leave):
            raise AssertionError("had a turn")
        left.set()

    threads = [threading.Thread(target=first)]
    threads[0].start()
    until(lambda: len(queue) == 1)
    threads.append(threading.Thread(target=second))
    threads[1].start()
    assert left.wait(10) and len(queue) == 1
    free.set()
    for thread in threads:
        thread.join(10)
    assert len(queue) == 0


def test_an_error_gives_the_turn_back() -> None:
    queue = Queue()
    with pytest.raises(ZeroDivisionError), queue.turn():
        raise ZeroDivisionError
    with queue.turn():
        assert len(queue) == 1
