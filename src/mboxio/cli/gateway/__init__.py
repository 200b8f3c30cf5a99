"""``mboxio gateway``, and what it exports as users see it."""
