"""Rings to test: every implementation of this build, over every region that it runs on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from mboxio.regions import Memory, Region
from mboxio.ring import Implementation, implementations
from mboxio.ring.layout import RingLayout
from mboxio.sim.words_only import WordsOnly
from mboxio.testing.ring import RingUnderTest

from .c_ring import IN_C

PEER = Path(__file__).parent / "peer.py"

FRONT, REAR, BASE = 64, 128, 192


class Case(NamedTuple):
    """Who plays each side, and over which memory."""

    name: str
    producer: Implementation
    consumer: Implementation
    region: Callable[[int], Region]
    framed: bool

    def ring(self, slots: int = 8, slot_bytes: int = 24) -> RingUnderTest:
        layout = RingLayout(FRONT, REAR, BASE, slots, slot_bytes, self.framed)
        region = self.region(layout.end)
        producer = self.producer.producer(region, layout, None)
        return RingUnderTest(producer, self.consumer.consumer(region, layout), region, layout)


def normal(size_bytes: int) -> Region:
    return Memory(bytearray(size_bytes))


def everybody() -> tuple[Implementation, ...]:
    """Return what this build has, and firmware's ring in C."""
    return (*implementations(), IN_C)


def cases() -> list[Case]:
    reference = implementations()[0]
    found: list[Case] = []
    for framed, way in ((True, "framed"), (False, "plain")):
        for producer in everybody():
            for consumer in everybody():
                name = f"{way}-{producer.name}-to-{consumer.name}"
                found.append(Case(name, producer, consumer, normal, framed))
        found.append(Case(f"{way}-device", reference, reference, WordsOnly, framed))
    return found


each_case = pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
each_implementation = pytest.mark.parametrize(
    "implementation", everybody(), ids=lambda each: each.name
)


def start(*command: object, keep: int) -> "subprocess.Popen[bytes]":
    """Start a program that finds the same packages as this one and keeps one descriptor."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([str(each) for each in command], env=environment, pass_fds=[keep])
