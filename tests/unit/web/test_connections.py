"""Which connections make room for others, and a listener without descriptors."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from attune.web.connections import ApiListener, ConnectionLimits


class Held(asyncio.Transport):
    dropped = False

    def abort(self) -> None:
        self.dropped = True


def test_the_oldest_stranger_of_an_address_makes_room_and_no_other_address() -> None:
    limits = ConnectionLimits(10, lambda _: False, print, strangers=2)
    other, *three = [Held() for _ in range(4)]
    limits.add(other, "b")
    for held in three:
        limits.add(held, "a")

    assert [other.dropped, *(held.dropped for held in three)] == [False, True, False, False]
    assert len(limits) == 3


def test_an_address_that_shows_tokens_is_limited_by_the_total_alone() -> None:
    limits = ConnectionLimits(5, lambda _: False, print, strangers=2)
    known, *rest = [Held() for _ in range(6)]
    limits.add(known, "nat")
    limits.authenticated(known, "nat")
    for held in rest:
        limits.add(held, "nat")

    assert [held.dropped for held in (known, *rest)] == [False, True, False, False, False, False]


def test_some_always_make_room_so_that_there_is_a_way_in() -> None:
    limits = ConnectionLimits(8, lambda _: False, print)
    early, late = [Held() for _ in range(8)], Held()
    for held in early:
        limits.add(held, "a")
        limits.authenticated(held, "a")
    limits.add(late, "b")

    assert [held.dropped for held in early] == [False] * 7 + [True]
    assert not late.dropped
    for held in early:
        limits.remove(held, "a")
    assert len(limits) == 1


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
