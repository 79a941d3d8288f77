"""Which connections make room for others, and a listener without descriptors."""

from __future__ import annotations

import errno
import socket

import pytest

from attune.web.connections import ApiListener, ConnectionLimits


class Held:
    dropped = False

    def drop(self) -> None:
        self.dropped = True


def test_the_oldest_stranger_of_an_address_makes_room_and_no_other_address() -> None:
    limits = ConnectionLimits(10, strangers=2)
    other, *three = [Held() for _ in range(4)]
    limits.add(other, "b")
    for held in three:
        limits.add(held, "a")

    assert [other.dropped, *(held.dropped for held in three)] == [False, True, False, False]
    assert len(limits) == 3


def test_an_address_that_shows_tokens_is_limited_by_the_total_alone() -> None:
    limits = ConnectionLimits(5, strangers=2)
    known, *rest = [Held() for _ in range(6)]
    limits.add(known, "nat")
    limits.authenticated(known, "nat")
    for held in rest:
        limits.add(held, "nat")

    assert [held.dropped for held in (known, *rest)] == [False, True, False, False, False, False]


def test_where_all_are_known_a_new_one_is_turned_away() -> None:
    limits = ConnectionLimits(1)
    known, late = Held(), Held()
    limits.add(known, "a")
    limits.authenticated(known, "a")
    limits.add(late, "b")

    assert (known.dropped, late.dropped) == (False, True)
    limits.remove(known, "a")
    assert len(limits) == 0


def test_without_descriptors_whoever_connects_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with ApiListener(socket.AF_INET) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        accept = socket.socket.accept
        failures = [OSError(errno.EMFILE, "Too many open files")]

        def first_refused(sock: socket.socket) -> object:
            if failures:
                raise failures.pop()
            return accept(sock)

        monkeypatch.setattr(socket.socket, "accept", first_refused)
        with socket.create_connection(listener.getsockname(), 5) as caller:
            with pytest.raises(BlockingIOError):
                listener.accept()
            assert caller.recv(1) == b""
