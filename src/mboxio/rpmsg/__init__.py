"""RPMsg: messages between endpoints over two virtqueues, and what firmware says of them."""
