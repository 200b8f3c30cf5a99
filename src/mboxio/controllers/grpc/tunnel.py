"""The user's own ssh forwards the socket of a gateway: keys, agents, jump hosts are its matter."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from mboxio._base.texts import remote_text
from mboxio.controllers.grpc.dialling import Dialling
from mboxio.errors import AccessDenied, AddressError, MailboxError, RemoteGone
from mboxio.far.hosts import SOCKET
from mboxio.local.sockets import PATH_BYTES_MAX
from mboxio.local.temporary import temporary_parent

__all__ = ["Tunnel"]

SSH_VARIABLE = "MBOXIO_SSH"
"""What is run in place of ``ssh``, as a shell would split it."""
ASK = """sh -c 'f=${MBOXIO_RUNTIME_DIR:-${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/mboxio}}; \
echo; echo "$f:$(id -u)"'"""
"""Says where remotes listen there, as `mboxio.local.folder` has it, whatever shell a login has."""
KEEP = """
exec 3<&0 </dev/null
"$@" 3<&- & ssh=$!
{ read -r _ <&3; rm -rf "$0"; kill $ssh; } 2>/dev/null & watch=$!
exec 3<&-
wait $ssh; code=$?
kill $watch 2>/dev/null
exit $code
"""
"""Runs ssh until that ends, or this program lets go of it or dies: then nothing is left of it.

Who watches is ended as soon as ssh has, and so ends ssh last."""
SSH_FAILED = 255
"""How ssh ends if it was ssh that failed."""
LOOK_S = 0.01
END_S = 2.0
DENIED = ("permission denied", "host key verification failed", "administratively prohibited")


class Tunnel(Dialling):
    """A forwarded socket in a folder of its own, and the process of ssh that keeps it.

    Args:
        login: ``[USER@]HOST``, as ssh takes it.
        socket: of the gateway, on that machine; empty: it is asked for.
        timeout_s: how long all that may take, in seconds.
        frozen_s: see `Dialling`.
    """

    def __init__(self, login: str, socket: str, timeout_s: float, frozen_s: float) -> None:
        # Its mode is 0700; the process of ssh may be quicker to remove it.
        self.folder = tempfile.TemporaryDirectory(
            prefix="mboxio-ssh-", dir=temporary_parent(), ignore_cleanup_errors=True
        )
        self.path = os.path.join(self.folder.name, "gateway.sock")
        super().__init__(f"unix:{self.path}", f"grpc+ssh:{login}", frozen_s)
        self.login = login
        self.socket = socket
        self.timeout_s = timeout_s
        self.process: subprocess.Popen[bytes] | None = None
        self.command = shlex.split(os.environ.get(SSH_VARIABLE, "ssh"))

    def dig(self) -> None:
        """Have the socket forwarded, and wait for it.

        Raises:
            AccessDenied: ssh is not let in.
            RemoteGone: nobody is there, or it takes too long.
            AddressError: there is no ssh here, or it cannot do this there.
        """
        if shutil.which(self.command[0]) is None:
            raise AddressError(
                f"{self.where}: there is no {self.command[0]} here: install OpenSSH's client, or"
                f" name another in {SSH_VARIABLE}"
            )
        until_s = time.monotonic() + self.timeout_s
        if not self.socket:
            self.socket = self.asked()
        if len(os.fsencode(self.socket)) > PATH_BYTES_MAX or ":" in self.socket:
            raise AddressError(
                f"{self.where}: ssh cannot forward {self.socket}: the path of a socket has at most"
                f" {PATH_BYTES_MAX} bytes and no colon"
            )
        self.again()
        while not os.path.exists(self.path):
            assert self.process is not None
            if self.process.poll() is not None:
                raise self.refused(self.said())
            if time.monotonic() > until_s:
                raise RemoteGone(
                    f"{self.where}: ssh has not forwarded {self.socket} in {self.timeout_s:g} s"
                )
            time.sleep(LOOK_S)

    def asked(self) -> str:
        """Return where the gateway's socket is on that machine, as that login has it."""
        try:
            done = subprocess.run(
                [*self.command, *self.settings(), "--", self.login, ASK],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self.timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise RemoteGone(f"{self.where}: ssh takes longer than {self.timeout_s:g} s") from None
        except OSError as error:
            raise AddressError(f"{self.command[0]} cannot be run: {error.strerror}") from None
        if done.returncode == SSH_FAILED:
            raise self.refused(done.stderr)
        told = done.stdout.decode(errors="replace").rstrip().rpartition("\n")[2]
        folder, _, uid = told.rpartition(":")  # what the login says before is not ours
        if not uid.isdecimal():
            raise AddressError(
                f"{self.where}: the login does not say where its sockets are: use ?socket=PATH"
            )
        return f"{folder or f'/tmp/mboxio-{uid}'}/{SOCKET}"

    def settings(self) -> list[str]:
        """Return options for ssh: it asks nobody anything, and notices that its peer is gone."""
        said = ("BatchMode=yes", f"ConnectTimeout={max(int(self.timeout_s), 1)}")
        return [part for each in said for part in ("-o", each)]

    def again(self) -> None:
        """Run ssh, if it does not run; it does not wait for anything."""
        if self.process is not None and self.process.poll() is None:
            return
        self.end()
        Path(self.path).unlink(missing_ok=True)
        forward = ("-N", "-o", "ExitOnForwardFailure=yes", "-o", "StreamLocalBindMask=0177")
        alive = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=3")
        where = ("-L", f"{self.path}:{self.socket}", "--", self.login)
        try:
            with open(self.path + ".log", "wb") as log:
                ssh = [*self.command, *self.settings(), *forward, *alive, *where]
                self.process = subprocess.Popen(
                    ["/bin/sh", "-c", KEEP, self.folder.name, *ssh],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the program
                )
        except OSError as error:
            raise AddressError(f"{self.command[0]} cannot be run: {error.strerror}") from None

    def said(self) -> bytes:
        """Return what ssh has written before it ended."""
        return Path(self.path + ".log").read_bytes()

    def failed(self, code: str, details: str) -> MailboxError:
        """See `Dialling.failed`; what ssh has said is nearer to the cause."""
        error = super().failed(code, details)
        if type(error) is not RemoteGone:
            return error
        said = self.said().strip()
        refused = self.refused(said)
        if isinstance(refused, AccessDenied):
            return refused
        return RemoteGone(
            f"{refused if said else self.where}: no gateway answers at {self.socket} there, or the"
            " login may not reach it or forward sockets"
        )

    def refused(self, said: bytes) -> MailboxError:
        """Return the error for what ssh says."""
        lines = [each for each in said.splitlines() if each.strip()]
        text = remote_text(lines[-1]).removeprefix("ssh: ") if lines else "nothing"
        kind = AccessDenied if any(each in text.lower() for each in DENIED) else RemoteGone
        return kind(f"{self.where}: ssh says: {text}")

    def end(self) -> None:
        """End ssh, if it runs."""
        process, self.process = self.process, None
        if process is not None:
            with process:
                assert process.stdin is not None
                process.stdin.close()
                try:
                    process.wait(END_S)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End ssh, and remove the socket."""
        self.end()
        self.folder.cleanup()
