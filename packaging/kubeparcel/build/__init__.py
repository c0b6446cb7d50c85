"""Builds and checks the packages of a Kubernetes version."""
