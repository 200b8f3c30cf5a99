"""PMIC registers: bit-exact messages, blocking and awaited, many at once, errors that say what."""

import asyncio
import errno
import struct
from collections.abc import Iterator

import pytest

import mboxio
from mboxio import Connection, RemoteError
from mboxio.protocols.acpm_pmic import AsyncPmic, Pmic, encode, encode_bulk_write
from mboxio.remote.acpm import AcpmRemote
from mboxio.remote.acpm.pmic import PmicModel

REFUSED = (0, 1, 0x40)


@pytest.fixture
def model() -> PmicModel:
    return PmicModel(refused=[REFUSED])


@pytest.fixture
def connection(model: PmicModel, sockets: str) -> Iterator[Connection]:
    remote = AcpmRemote("peer:pmic")
    remote.channel(model, latency_s=100e-6, workers=16)
    remote.channel(slot_bytes=8)
    remote.channel(lambda message: b"\0\0\0\0\0\0\0\x09")
    with remote, mboxio.connect("acpm:?at=peer:pmic&timeout_s=20") as connection:
        yield connection


def words(message: bytes) -> tuple[int, ...]:
    return struct.unpack("<4I", message)


def test_messages_are_bit_exact() -> None:
    """By hand, from the bit fields that the format gives."""
    where, what, low, _ = words(encode(0, bus=2, kind=5, register=0xAB))
    assert (where, what, low) == (0x25AB, 0x00000000, 0)
    assert words(encode(1, 0, 1, 0x10, value=0x7F))[:3] == (0x0110, 0x7F01, 0)
    assert words(encode(2, 15, 15, 0xFF, value=0x80, mask=0xF0))[:3] == (0xFFFF, 0xF08002, 0)
    assert words(encode(3, 0, 1, 0x20, value=8)) == (0x0120, 0x0803, 0, 0)
    written = encode_bulk_write(0, 1, 0x20, bytes(range(1, 7)))
    assert words(written) == (0x0120, 0x0604, 0x04030201, 0x0605)


def test_the_blocking_client(connection: Connection) -> None:
    with connection.client(0) as client:
        pmic = Pmic(client, kind=1)
        pmic.write(0x12, 0x55)
        assert pmic.read(0x12) == 0x55
        pmic.update(0x12, 0xF0, mask=0xC0)
        assert pmic.read(0x12) == 0xD5
        pmic.bulk_write(0x20, b"\1\2\3\4\5\6\7\x08")
        assert pmic.bulk_read(0x20, 8) == b"\1\2\3\4\5\6\7\x08"
        assert pmic.bulk_read(0x23, 2) == b"\4\5"
        assert Pmic(client, kind=2).read(0x12) == 0, "another part of the PMIC"
        assert Pmic(client, kind=1, bus=1).read(0x12) == 0, "another bus"


def test_several_operations_are_under_way(connection: Connection, model: PmicModel) -> None:
    with connection.client(0) as client:
        pmic = Pmic(client)
        writes = [pmic.start_write(register, register ^ 0x5A) for register in range(24)]
        for write in writes:
            write.result()
        reads = [pmic.start_read(register) for register in range(24)]
        assert [read.result() for read in reversed(reads)] == [
            register ^ 0x5A for register in reversed(range(24))
        ]
        update = pmic.start_update(0, 0xFF, mask=0x0F)
        assert update.wait(20.0)
        assert update.done()
        bulk = pmic.start_bulk_write(8, b"ab"), pmic.start_bulk_read(16, 3)
        bulk[0].result()
        assert bulk[1].result() == bytes(register ^ 0x5A for register in range(16, 19))
        assert pmic.read(0) == 0x5F
        assert not update.cancel()
    assert model.served == 24 + 24 + 4


def test_the_async_client(connection: Connection) -> None:
    async def main() -> None:
        async with connection.async_client(0) as client:
            pmic = AsyncPmic(client, kind=1)
            await asyncio.gather(*(pmic.write(register, register) for register in range(16)))
            values = await asyncio.gather(*(pmic.read(register) for register in range(16)))
            assert values == list(range(16))
            await pmic.update(3, 0xF0, mask=0xF0)
            await pmic.bulk_write(8, b"xyz")
            assert await pmic.bulk_read(3, 8) == b"\xf3\4\5\6\7xyz"
            assert await pmic.start_read(3) == 0xF3
            with pytest.raises(RemoteError):
                await pmic.read(REFUSED[2])

    asyncio.run(main())


def test_refused_registers(connection: Connection) -> None:
    with connection.client(0) as client:
        pmic = Pmic(client, kind=REFUSED[1])
        for verb, status, attempt in (
            ("read", 1, lambda: pmic.read(0x40)),
            ("write", 2, lambda: pmic.write(0x40, 1)),
            ("update", 2, lambda: pmic.update(0x40, 1, 1)),
            ("bulk-read", 1, lambda: pmic.bulk_read(0x3C, 5)),
            ("bulk-write", 2, lambda: pmic.start_bulk_write(0x3C, b"12345").result()),
        ):
            with pytest.raises(RemoteError, match=f"refused to {verb} register") as caught:
                attempt()
            assert (caught.value.status, caught.value.errno) == (status, errno.EACCES)
            assert caught.value.channel == "0"


def test_unknown_results_are_eio(connection: Connection) -> None:
    with connection.client(2) as client, pytest.raises(RemoteError, match="result 9") as caught:
        Pmic(client).read(0)
    assert (caught.value.status, caught.value.errno) == (9, errno.EIO)


@pytest.mark.parametrize(
    ("attempt", "text"),
    [
        (lambda pmic: pmic.read(256), "register is 256, not 0 to 255"),
        (lambda pmic: pmic.write(0, 256), "value is 256"),
        (lambda pmic: pmic.update(0, 0, -1), "mask is -1"),
        (lambda pmic: pmic.bulk_read(0, 9), "1 to 8 registers, not 9"),
        (lambda pmic: pmic.bulk_write(0, b""), "1 to 8 registers, not 0"),
        (lambda pmic: pmic.bulk_read(0xFE, 3), "beyond 0xff"),
    ],
)
def test_impossible_operations(connection: Connection, attempt: object, text: str) -> None:
    with connection.client(0) as client, pytest.raises(ValueError, match=text):
        attempt(Pmic(client))  # type: ignore[operator]


def test_a_channel_with_shorter_messages(connection: Connection) -> None:
    with connection.client(1) as client, pytest.raises(ValueError, match="carries 8 bytes"):
        Pmic(client)
    with connection.client(0) as client, pytest.raises(ValueError, match="kind is 16"):
        Pmic(client, kind=16)
