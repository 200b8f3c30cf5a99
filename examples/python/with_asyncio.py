"""Ask two channels at once, and a third time with a limit: python with_asyncio.py [ADDRESS]."""

import asyncio
import sys

import mboxio


async def main(address: str = "loopback:") -> None:
    async with mboxio.connect_async(address) as connection:
        first, second = connection.async_client(0), connection.async_client(1)
        replies = await asyncio.gather(first.request(b"power"), second.request(b"clocks"))
        print(*(reply.decode() for reply in replies))

        request = first.submit(b"later")  # a plain call, it waits for nothing
        try:
            async with asyncio.timeout(1):
                print((await request).decode())
        except TimeoutError:
            print("no answer in a second, and the request is cancelled")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
