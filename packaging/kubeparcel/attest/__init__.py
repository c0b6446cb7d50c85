"""Verifies statements about packages and repositories, also by building packages again."""
