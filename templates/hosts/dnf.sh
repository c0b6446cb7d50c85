#!/bin/sh
# Completes a host with dnf, once, when its image is made. With a network.
set -eu

# Small images leave documentation out; packages are proved whole.
for file in /etc/dnf/dnf.conf /usr/share/dnf5/libdnf.conf.d/*.conf; do
    [ ! -f "$file" ] || sed -i '/^tsflags *=.*nodocs/d' "$file"
done

dnf --assumeyes install {% for name in packages %}'{{ name }}' {% endfor %}

mkdir -p {{ home }}/pool
dnf --assumeyes download --resolve --destdir={{ home }}/pool {{ pool | join(" ") }}

# From here on the only repository is the one under proof.
rm -f /etc/yum.repos.d/*
dnf clean all
