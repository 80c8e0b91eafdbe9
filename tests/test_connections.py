"""Connections that do not say what they want are closed; those that wait for an answer are not."""

import asyncio
import socket
import threading

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from cinn_hub.ui import connections

SECONDS = 0.3


@pytest.fixture
def place(monkeypatch):
    """Where an app is served that takes longer to answer than a header may take."""
    monkeypatch.setattr(connections, "SILENT_SECONDS", SECONDS)
    monkeypatch.setattr(connections, "CONNECTIONS", 3)
    monkeypatch.setitem(connections.HTTP_PROTOCOLS, "auto", "of this test")
    connections.bound_connections()

    async def slow(scope, receive, send):
        await asyncio.sleep(3 * SECONDS)
        await PlainTextResponse("here")(scope, receive, send)

    server = uvicorn.Server(
        uvicorn.Config(slow, lifespan="off", log_level="error", timeout_keep_alive=1)
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield listening.getsockname()
        server.should_exit = True
        thread.join()


def talk(place, *parts):
    """What comes back until the connection is closed."""
    with socket.create_connection(place, timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        return b"".join(iter(lambda: connection.recv(1000), b""))


def test_half_a_header_is_not_waited_for_and_an_answer_is(place):
    asked = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert talk(place) == talk(place, b"GET / HTT") == talk(place, asked[:-2]) == b""
    assert talk(place, asked).endswith(b"here")  # then nothing more is asked, and it is closed
    assert talk(place, asked, b"GET /again").count(b"here") == 1


def test_there_are_only_so_many(place, monkeypatch):
    monkeypatch.setattr(connections, "SILENT_SECONDS", 600)
    held = [socket.create_connection(place, timeout=30) for _ in range(3)]
    assert talk(place) == b""
    for connection in held:
        connection.close()
