"""A gateway: mailboxes of this machine for users elsewhere, who come by streams of gRPC."""
