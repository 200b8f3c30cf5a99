"""Tests that run inside the guest, where Linux has a remote processor: `test_guest` starts it."""
