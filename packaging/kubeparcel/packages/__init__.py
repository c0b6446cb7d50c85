"""Debs, rpms and the binaries inside them: formats, versions, relations."""
