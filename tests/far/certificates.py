"""Certificates for gateways and users, made with the command ``openssl``."""

import subprocess
from pathlib import Path

from tests.tools import tool

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Somebody who vouches for others.

    Args:
        folder: for the files.
        name: of the authority.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.file = str(folder / f"{name}.pem")
        self.make("req", "-x509", *CURVE, *self.subject(name), "-out", self.file, "-days", "1")

    def make(self, *arguments: str) -> None:
        """Run openssl."""
        subprocess.run(
            [tool("openssl"), *arguments], cwd=self.folder, check=True, capture_output=True
        )

    def subject(self, name: str) -> tuple[str, ...]:
        """Return the options for the name of somebody, and for the file of his key."""
        return ("-subj", f"/CN={name}", "-keyout", str(self.folder / f"{name}.key"))

    def vouch_for(self, name: str, host: str = "", days: int = 1) -> tuple[str, str]:
        """Return the files with somebody's certificate and key.

        Args:
            host: for which the certificate is good, if for any.
            days: until it expires.
        """
        request, made = f"{name}.req", f"{name}.pem"
        self.make("req", *CURVE, *self.subject(name), "-out", request)
        more: tuple[str, ...] = ()
        if host:
            (self.folder / f"{name}.ext").write_text(f"subjectAltName={host}")
            more = ("-extfile", f"{name}.ext")
        by = ("-CA", self.file, "-CAkey", f"{self.name}.key", "-CAcreateserial")
        self.make("x509", "-req", "-in", request, *by, "-out", made, "-days", str(days), *more)
        return str(self.folder / made), str(self.folder / f"{name}.key")
