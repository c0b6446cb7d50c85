#!/bin/sh
# Completes a host with apt, once, when its image is made. With a network.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# Small images leave documentation out; packages are proved whole.
rm -f /etc/dpkg/dpkg.cfg.d/excludes /etc/dpkg/dpkg.cfg.d/docker
# A container's disk is not worth waiting for.
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/kubeparcel

apt-get --quiet update
apt-get --quiet --yes --no-install-recommends install {{ packages | join(" ") }}
mkdir -p {{ home }}/pool
for package in {{ pool | join(" ") }}; do
    # What a suite does not have, no package can depend on there.
    apt-get --quiet --yes --download-only --option "Dir::Cache::archives={{ home }}/pool" \
        install "$package" || echo "no $package here"
done
rm -rf {{ home }}/pool/lock {{ home }}/pool/partial

# From here on the only repository is the one under proof.
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
echo 'Acquire::Languages "none";' >/etc/apt/apt.conf.d/kubeparcel
apt-get clean
