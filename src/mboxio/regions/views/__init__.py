"""Regions made of another region: a part of it, or its accesses in batches."""
