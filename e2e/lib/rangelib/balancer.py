"""A small TCP balancer for the API servers of several control-plane nodes, as a process of its own.

usage: python3 -m rangelib.balancer LISTEN-ADDRESS PORT BACKEND-ADDRESS...

A connection goes to the next backend that takes one. A backend that takes none any more loses its
connections, so that nobody waits for a node that is gone.
"""

import asyncio
import os
import sys

CONNECT_SEC = 1.0
LOOK_SEC = 0.5
READ_BYTES = 1 << 16


class Balancer:
    def __init__(self, port, backends):
        self.port, self.backends = port, backends
        self.turn = 0
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

    async def look(self, backend):
        """Ends the connections of a backend that takes none."""
        while True:
            await asyncio.sleep(LOOK_SEC)
            try:
                (await self.connect(backend))[1].close()
            except (OSError, asyncio.TimeoutError):
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
