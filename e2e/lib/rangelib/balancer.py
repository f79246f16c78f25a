"""A small TCP balancer for the API servers of several control-plane nodes, as a process of its own.

usage: python3 -m rangelib.balancer LISTEN-ADDRESS PORT BACKEND-ADDRESS...

A connection goes to the next backend that says it is ready. One that does not say so any more, as an
API server whose etcd is away, loses its connections: nobody waits for it.
"""

import asyncio
import os
import ssl
import sys

CONNECT_SEC = 1.0
READY_SEC = 2.0
LOOK_SEC = 0.5
READ_BYTES = 1 << 16


class Balancer:
    def __init__(self, port, backends):
        self.port, self.backends = port, backends
        self.turn = 0
        self.ready = set(backends)
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        self.open = {b: set() for b in backends}

    async def connect(self, backend):
        return await asyncio.wait_for(
            asyncio.open_connection(backend, self.port), timeout=CONNECT_SEC
        )

    async def serve(self, reader, writer):
        self.turn += 1
        n = len(self.backends)
        for i in range(n):
            backend = self.backends[(self.turn + i) % n]
            if self.ready and backend not in self.ready:
                continue
            try:
                theirs = await self.connect(backend)
            except (OSError, asyncio.TimeoutError):
                continue
            mine = self.open[backend]
            mine.update((writer, theirs[1]))
            await asyncio.gather(self.pump(reader, theirs[1]), self.pump(theirs[0], writer))
            mine.difference_update((writer, theirs[1]))
            return
        writer.close()

    @staticmethod
    async def pump(reader, writer):
        try:
            while data := await reader.read(READ_BYTES):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    async def says_ready(self, backend):
        reader, writer = await asyncio.open_connection(backend, self.port, ssl=self.tls)
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: balancer\r\nConnection: close\r\n\r\n")
            return b" 200 " in await reader.readline()
        finally:
            writer.transport.abort()

    async def look(self, backend):
        """Keeps self.ready; ends the connections of a backend that is not ready."""
        while True:
            await asyncio.sleep(LOOK_SEC)
            try:
                ready = await asyncio.wait_for(self.says_ready(backend), READY_SEC)
            except (OSError, asyncio.TimeoutError):
                ready = False
            if ready:
                self.ready.add(backend)
                continue
            self.ready.discard(backend)
            for writer in list(self.open[backend]):
                writer.transport.abort()


async def main(address, port, *backends):
    balancer = Balancer(int(port), backends)
    server = await asyncio.start_server(balancer.serve, address, int(port))
    await asyncio.gather(server.serve_forever(), *map(balancer.look, backends))


def spawn(registry, name, address, port, backends):
    """Starts one; the process."""
    lib = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return registry.spawn(
        name,
        ["/usr/bin/python3", "-B", "-m", "rangelib.balancer", address, str(port), *backends],
        env={**os.environ, "PYTHONPATH": lib},
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
