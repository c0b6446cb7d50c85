#!/bin/sh
# Completes a host with zypper, once, when its image is made. With a network.
set -eu

# Small images leave documentation out; packages are proved whole.
for file in /etc/zypp/zypp.conf /usr/etc/zypp/zypp.conf; do
    [ ! -f "$file" ] || sed -i 's/^ *rpm.install.excludedocs *=.*/rpm.install.excludedocs = no/' "$file"
done

zypper --non-interactive --gpg-auto-import-keys refresh
zypper --non-interactive install {{ packages | join(" ") }}

mkdir -p {{ home }}/pool
for package in {{ pool | join(" ") }}; do
    zypper --non-interactive --pkg-cache-dir {{ home }}/pool install --download-only --force "$package" ||
        echo "no $package here"
done

# From here on the only repository is the one under proof.
rm -f /etc/zypp/repos.d/* /etc/zypp/services.d/*
zypper clean --all
