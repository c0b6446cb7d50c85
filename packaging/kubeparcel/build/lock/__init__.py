"""The lock file: which versions and bytes a build takes, who resolves them, and how they are read and compared."""
