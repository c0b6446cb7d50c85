"""The machines that packages are proved on: containers of a distribution, started by an engine.

The way in, for every level::

    with session.opened(engine_name, store, log, keep=False) as here:
        image = images.ensure(here, table.load().pick("trixie"), "install")
        with here.container(image, "alone") as box:
            said = box.run("uname", "-r").stdout

Whatever a session starts is labelled with its owner; what it did not remove (SIGKILL) the next
session does.
"""
