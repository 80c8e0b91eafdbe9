"""What all visitors hold together: what goes first, and that nothing is forgotten to be let go."""

import gc
import threading

from cinn_hub.ui.memory import Kept, Memory


def test_what_can_be_made_again_goes_first_then_what_was_not_used_for_longest():
    memory = Memory(megabytes=4e-6)  # four bytes
    answers = [Kept(memory, name, 1, lasting=True) for name in "ab"]
    photos = [Kept(memory, name, 1) for name in "cd"]
    assert photos[0].get() == "c"  # used last
    answers.append(Kept(memory, "e", 1, lasting=True))
    assert [kept.get() for kept in (*answers, *photos)] == ["a", "b", "e", "c", None]
    answers += [Kept(memory, name, 1, lasting=True) for name in "fg"]
    assert [kept.get() for kept in (*answers, *photos)] == [None, "b", "e", "f", "g", None, None]
    assert memory.used == memory.limit


def test_a_value_that_is_made_again_is_there_again_and_the_largest_is_kept_alone():
    memory = Memory(megabytes=4e-6)
    first, large = Kept(memory, "first", 2), Kept(memory, "large", 9)
    assert first.get() is None and large.get() == "large"
    first.put("again", 2)
    assert first.get() == "again" and large.get() is None


def test_many_threads_leave_the_count_right():
    memory = Memory(megabytes=1e-3)

    def work():
        held = []
        for i in range(2000):
            held.append(Kept(memory, i, 3, lasting=i % 2 == 0))
            held[i // 2].get()
            if i % 7 == 0:
                held[i] = held[0]

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert memory.used == 0 and not memory.values
