#!/bin/sh
# Completes a Debian with rpm's tools, once, when its image is made. The stand-ins lie in the pool.
set -eu
export LC_ALL=C.UTF-8

apt-get clean
rm -rf /var/lib/apt/lists/*
mkdir -p /etc/yum.repos.d /etc/zypp/repos.d
# What the package `filesystem` owns on distributions with rpm.
mkdir -p /etc/sysconfig /usr/share/licenses /usr/share/fish/vendor_completions.d \
    /usr/share/zsh/site-functions
# The host itself is in rpm's books; the rest comes from the repository when it is asked for.
rpm --install --nodeps {{ home }}/pool/host-*.rpm {{ home }}/pool/glibc-*.rpm
