"""Stub of a chat server on the loopback address that answers every request after a fixed time."""

import asyncio
import json
import threading
import time

REPLY = json.dumps(
    {
        "model": "stub",
        "choices": [{"message": {"role": "assistant", "content": "yes"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 1},
    }
).encode()
HEAD = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(REPLY)}\r\n\r\n".encode()


class Stub:
    """Server in a thread of its own. `arrived` and `answered` are times of all requests in seconds, and `took` is the time
    that each answer took: more than `latency` where other programs hold the processor."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.arrived: list[float] = []
        self.answered: list[float] = []
        self.took: list[float] = []
        self.under_way = self.most_at_once = 0
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True).start()
        started.wait()

    async def _serve(self, started: threading.Event) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = "http://127.0.0.1:%d/v1" % server.sockets[0].getsockname()[1]
        started.set()
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode().lower().split("\r\n")
                length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
                await reader.readexactly(length)
                await self._answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        began = time.monotonic()
        self.arrived.append(began)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(self.latency)
        self.under_way -= 1
        writer.write(HEAD + REPLY)
        await writer.drain()
        self.answered.append(time.monotonic())
        self.took.append(self.answered[-1] - began)
