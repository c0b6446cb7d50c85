#!/bin/sh
# Set up a host with apt while its image is built; needs network access.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# Minimal images exclude documentation; packages must be installed completely.
rm -f /etc/dpkg/dpkg.cfg.d/excludes /etc/dpkg/dpkg.cfg.d/docker
# The container is disposable: dpkg need not sync its files to the disk.
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/kubeparcel

apt-get --quiet update
apt-get --quiet --yes --no-install-recommends install {{ packages | join(" ") }}
mkdir -p {{ home }}/pool
for package in {{ pool | join(" ") }}; do
    # A package that the suite does not have cannot be a dependency there.
    apt-get --quiet --yes --download-only --option "Dir::Cache::archives={{ home }}/pool" \
        install "$package" || echo "$package is not available"
done
rm -rf {{ home }}/pool/lock {{ home }}/pool/partial

# From now on the repository with the packages to verify is the only one. Node images get these back.
mkdir -p {{ home }}/sources
cp --archive --parents /etc/apt/sources.list* {{ home }}/sources
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
echo 'Acquire::Languages "none";' >/etc/apt/apt.conf.d/kubeparcel
apt-get clean
