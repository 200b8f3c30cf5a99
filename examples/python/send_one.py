"""Send one message and print the reply: python send_one.py [ADDRESS [TEXT]]."""

import sys

import mboxio


def main(address: str = "loopback:", text: str = "hello") -> None:
    with mboxio.open(address, wait_s=5) as client:
        try:
            reply = client.request(text.encode(), timeout_s=1)
        except mboxio.RequestTimeout as error:
            again = "safe to repeat" if error.handed_over == "no" else "it may still be answered"
            sys.exit(f"{error} ({again})")
        except mboxio.RemoteError as error:
            sys.exit(f"{error} (status {error.status})")
    print(reply.decode(errors="replace"))


if __name__ == "__main__":
    main(*sys.argv[1:])
