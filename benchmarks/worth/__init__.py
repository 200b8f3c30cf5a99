"""Is a hardware queue worth it? ``python -m benchmarks.worth`` answers in virtual time."""
