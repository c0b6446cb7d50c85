#!/bin/sh
# Set up a host with dnf while its image is built; needs network access.
set -eu

# Minimal images exclude documentation; packages must be installed completely.
for file in /etc/dnf/dnf.conf /usr/share/dnf5/libdnf.conf.d/*.conf; do
    [ ! -f "$file" ] || sed -i '/^tsflags *=.*nodocs/d' "$file"
done

dnf --assumeyes install {% for name in packages %}'{{ name }}' {% endfor %}

mkdir -p {{ home }}/pool
dnf --assumeyes download --resolve --destdir={{ home }}/pool {{ pool | join(" ") }}

# From now on the repository with the packages to verify is the only one. Node images get these back.
mkdir -p {{ home }}/sources
cp --archive --parents /etc/yum.repos.d {{ home }}/sources
rm -f /etc/yum.repos.d/*
dnf clean all
