"""Hosts: containers of a distribution that packages are verified on, started by podman or docker.

Typical use::

    with open_session(store, log, engine="podman") as session:
        host = load_hosts().get("trixie")
        spec = ContainerSpec(ensure_image(session, host), "test")
        with session.start_container(host, spec) as container:
            kernel = container.run("uname", "-r").stdout

A session removes its containers when it ends. They are labelled with the process that started them,
so that the next session removes what a killed process left.
"""
