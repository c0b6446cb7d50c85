"""Sources of binaries: upstream, a mirror of it, or Go modules."""
