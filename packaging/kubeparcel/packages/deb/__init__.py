"""Debs (deb(5)): reading them, and their stanzas in an apt index."""
