"""Publishes packages to apt and yum repositories."""
