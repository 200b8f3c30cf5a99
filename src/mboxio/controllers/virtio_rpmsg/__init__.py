"""RPMsg over our own rings: services of firmware, or services for a host, in shared memory."""
