"""What happens to messages, as events in files and streams: pcapng and JSON lines."""
