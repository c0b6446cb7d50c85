#!/bin/sh
# Set up a Debian host with rpm while its image is built; the placeholder rpms are in the pool.
set -eu
export LC_ALL=C.UTF-8

apt-get clean
rm -rf /var/lib/apt/lists/*
mkdir -p /etc/yum.repos.d /etc/zypp/repos.d
# Folders of the package `filesystem` on distributions with rpm.
mkdir -p /etc/sysconfig /usr/share/licenses /usr/share/fish/vendor_completions.d \
    /usr/share/zsh/site-functions
# Register the host itself; the other placeholders are installed from the repository if required.
rpm --install --nodeps {{ home }}/pool/host-*.rpm {{ home }}/pool/glibc-*.rpm
