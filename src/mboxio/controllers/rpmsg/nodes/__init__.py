"""What the kernel hands out for RPMsg: open endpoints and terminals, and calls on them."""
