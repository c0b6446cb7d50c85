"""Examines any apt or yum repository as its clients see it."""
