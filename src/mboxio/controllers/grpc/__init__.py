"""Mailboxes of other machines, through a gateway: the user's side, over streams of gRPC."""
