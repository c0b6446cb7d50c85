"""Container images as files: written and read here, without an engine, the same bytes every time.

An archive holds several images and is at once an OCI layout and what `docker save` writes, so that
`ctr images import`, `podman load` and `docker load` all take it.
"""
