"""What others may cause: so much time, so many records of the log, so many errors in a row."""
