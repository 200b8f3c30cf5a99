"""Mailboxes in labgrid: ``imports: [mboxio.labgrid]`` in an environment or exporter file.

It needs labgrid: ``pip install 'mboxio[labgrid]'``.
"""

from mboxio.labgrid.driver import MailboxDriver as MailboxDriver
from mboxio.labgrid.resources import Mailbox as Mailbox
from mboxio.labgrid.resources import NetworkMailbox as NetworkMailbox

__all__ = ["Mailbox", "MailboxDriver", "NetworkMailbox"]
