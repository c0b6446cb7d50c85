"""Rpms (rpm, docs/manual/format.md): reading them, and their metadata in a yum index."""
