"""What happens on each channel right now, and where requests are stuck, from a stream of events."""
