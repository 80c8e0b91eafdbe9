"""Connections to the app: how many there are, and how long one may take to say what it wants.

Gradio's server is uvicorn, which has no such limits that Gradio hands on. This rests on uvicorn's
table of protocols by name, and on two attributes of a protocol: `transport` and `cycle`.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.h11_impl import H11Protocol

from cinn_hub.ui.bounds import CONNECTIONS, SILENT_SECONDS


class PatientProtocol(H11Protocol):
    """HTTP/1.1; a header has to be whole in time. (h11 bounds its size, httptools does not.)"""

    timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.close()
        self.watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.watch()

    def watch(self) -> None:
        """Begins to wait for a header, or has one."""
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self.timer is None:
            self.timer = self.loop.call_later(SILENT_SECONDS, self.hang_up)
        elif not waits and self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def hang_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def bound_connections() -> None:
    """The servers that this process starts from now on use `PatientProtocol`."""
    HTTP_PROTOCOLS["auto"] = f"{__name__}:{PatientProtocol.__name__}"
