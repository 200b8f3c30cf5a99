"""The gateway: it lets users in, by who they are, and serves each on a stream of his own."""

import asyncio
import json
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from mboxio.far.engine import ATTACH, EXPORT, LIST, SERVICE, engine, options
from mboxio.far.frames import BadFrame
from mboxio.gateway.allow import AllowList
from mboxio.gateway.counts import Counts
from mboxio.gateway.export import Export
from mboxio.gateway.limits import Limits
from mboxio.gateway.loop import new_loop
from mboxio.gateway.places import Place
from mboxio.gateway.session import Session

__all__ = ["Gateway"]

START_S = 10.0
END_S = 0.2


class Gateway:
    """Serves mailboxes to users elsewhere, on a thread of its own; a context manager.

    Args:
        exports: what there is, with different names. They are closed with the gateway.
        allow: who may do what.
        places: where it listens.
        limits: how much a user may take.
        log: gets one line for each attach, detach and refusal; a logger if left out.
    """

    def __init__(
        self,
        exports: Iterable[Export],
        allow: AllowList,
        places: Iterable[Place],
        *,
        limits: Limits | None = None,
        log: Callable[[str], object] | None = None,
    ) -> None:
        self.exports = {each.name: each for each in exports}
        self.allow = allow
        self.places = list(places)
        self.limits = limits or Limits()
        self.log = log or logging.getLogger("mboxio.gateway").info
        self.life = int.from_bytes(os.urandom(7), "little")
        self.grpc = engine()
        self.users: Counter[str] = Counter()
        self.elsewhere = Counts()  # who asked for what is not exported
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self.stopping: asyncio.Event | None = None
        self.failure: BaseException | None = None
        self.up = threading.Event()

    # -- its life

    def start(self) -> None:
        """Serve from now on.

        Raises:
            AddressError: a place cannot be had.
        """
        self.thread = threading.Thread(target=self._work, name="mboxio gateway", daemon=True)
        self.thread.start()
        self.up.wait(START_S)
        if self.failure is not None:
            self.stop()
            raise self.failure

    def stop(self) -> None:
        """End all sessions and let go of the mailboxes. Idempotent."""
        loop, thread = self.loop, self.thread
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(self._stop)
            thread.join()
        for each in self.exports.values():
            each.close()
        for place in self.places:
            place.give_up()

    def renew(self, allow: AllowList) -> None:
        """Use another allow-list from now on. On any thread.

        Sessions end at once whose users may do less by it than when they came.
        """
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._renew, allow)

    def stats(self) -> dict[str, Counts]:
        """Return what was counted, by export."""
        return {name: each.counts for name, each in self.exports.items()}

    def __enter__(self) -> "Gateway":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _stop(self) -> None:
        if self.stopping is not None:
            self.stopping.set()

    def _work(self) -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self.failure = error
        finally:
            self.up.set()

    def _renew(self, allow: AllowList) -> None:
        self.allow = allow
        for export in self.exports.values():
            for session in list(export.sessions):
                session.compare(allow)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        for each in self.exports.values():
            await each.start()
        servers = [self._server(place) for place in self.places]
        try:
            try:
                for place, server in zip(self.places, servers, strict=True):
                    place.bind(server, self.grpc)
            finally:  # where one cannot listen, too: what was not started gRPC does not stop either
                for server in servers:
                    await server.start()
            self.up.set()
            await self.stopping.wait()
        finally:
            for server in servers:
                await server.stop(END_S)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:  # of streams: what they have to let go of is let go of before the loop ends
            await asyncio.wait(others, timeout=END_S)

    def _server(self, place: Place) -> Any:
        """Make the server of one place, by which is known who comes; it does not listen yet."""
        grpc = self.grpc

        async def attach(_: Any, context: Any) -> None:
            await self._attach(place, context)

        async def show(_: bytes, context: Any) -> bytes:
            return await self._show(place, context)

        server = grpc.aio.server(options=options(self.limits.frozen_s))
        methods = {
            ATTACH: grpc.stream_stream_rpc_method_handler(attach),
            LIST: grpc.unary_unary_rpc_method_handler(show),
        }
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, methods),),
        )
        return server

    # -- who comes

    async def _attach(self, place: Place, context: Any) -> None:
        codes = self.grpc.StatusCode
        user = place.user_of(context)
        name = _asked_for(context)
        export = self.exports.get(name)
        if export is None or not self.allow.knows(user):
            # What there is, only those learn who are on the list.
            why = f"{name!r} is not exported here to {user}"
            await self._refuse(context, export, user, codes.PERMISSION_DENIED, why)
        assert export is not None
        channels = export.shown(self.allow, user, self.limits)
        if not channels:
            why = f"{user} may use no channel of {name!r}"
            await self._refuse(context, export, user, codes.PERMISSION_DENIED, why)
        if limit := self._limit_met(user):
            export.counts.user(user).limited[limit] += 1
            why = "the gateway has as many sessions as it may"
            await self._refuse(context, export, user, codes.RESOURCE_EXHAUSTED, why)
        session = Session(export, user, self.allow, self.limits, channels)
        counts = export.counts.user(user)
        self.users[user] += 1
        counts.attached += 1
        counts.sessions += 1
        self.log(f"attach: {user} at {name}, {place.where}")
        why, end = "the user ended it", "closed"
        try:
            await session.run(context, self.life, self.grpc.aio.EOF)
        except BadFrame as error:
            why, end = f"broke the protocol: {error}", "broken"
            await context.abort(codes.INVALID_ARGUMENT, why)
        except TimeoutError:
            why, end = f"idle for {self.limits.idle_s:g} s", "idle"
            await context.abort(codes.DEADLINE_EXCEEDED, why)
        except asyncio.CancelledError:
            why, end = "the stream broke", "lost"
            if self._is_stopping():
                why, end = "the gateway stops", "stopped"
            elif session.denied:
                why, end = session.denied, "denied"
                await context.abort(codes.PERMISSION_DENIED, why)
            raise
        finally:
            counts.sessions -= 1
            counts.ended[end] += 1
            self.users[user] -= 1
            self.log(f"detach: {user} at {name}: {why}")

    def _limit_met(self, user: str) -> str | None:
        """Return the limit that one more session of a user would exceed."""
        if self.users.total() >= self.limits.sessions:
            return "sessions"
        return "user_sessions" if self.users[user] >= self.limits.user_sessions else None

    def _is_stopping(self) -> bool:
        return self.stopping is not None and self.stopping.is_set()

    async def _refuse(
        self, context: Any, export: Export | None, user: str, code: Any, why: str
    ) -> None:
        counts = self.elsewhere if export is None else export.counts
        denied = code is self.grpc.StatusCode.PERMISSION_DENIED
        counts.refusals["denied" if denied else "limit"] += 1
        self.log(f"refuse: {user}: {why}")
        await context.abort(code, why)

    async def _show(self, place: Place, context: Any) -> bytes:
        """Return what a user may see, as JSON."""
        user = place.user_of(context)
        if not self.allow.knows(user):
            why = f"nothing is exported here to {user}"
            await self._refuse(context, None, user, self.grpc.StatusCode.PERMISSION_DENIED, why)
        found: list[dict[str, object]] = []
        for each in self.exports.values():
            channels = each.shown(self.allow, user, self.limits)
            if channels:
                link = each.link()
                about: dict[str, object] = {"name": each.name, "up": link.up, "reason": link.reason}
                about["sessions"] = each.counts.sessions
                found.append({**about, "channels": [asdict(channel) for channel in channels]})
        return json.dumps({"user": user, "exports": found}).encode()


def _asked_for(context: Any) -> str:
    """Return the export that a user names; nobody's text is longer than it may be."""
    for key, value in context.invocation_metadata():
        if key == EXPORT:
            return str(value)[:64]
    return ""
