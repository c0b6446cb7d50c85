"""Container images as files, read and written without an engine, reproducible to the byte.

An archive contains several images. It is both an OCI layout and what `docker save` writes, so that
`ctr images import`, `podman load` and `docker load` read it.
"""
