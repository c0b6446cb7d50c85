"""Hosts: containers of a distribution that packages are verified on, started by podman or docker.

A session removes its containers when it ends. They are labeled with the process that started them, so that the next
session removes what a killed process left.
"""
