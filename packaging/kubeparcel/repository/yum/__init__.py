"""The metadata of yum repositories."""
