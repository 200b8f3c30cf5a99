"""What everything stands on: time, the lock, a request and its states."""
