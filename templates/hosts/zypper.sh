#!/bin/sh
# Set up a host with zypper while its image is built; needs network access.
set -eu

# Minimal images exclude documentation; packages must be installed completely.
for file in /etc/zypp/zypp.conf /usr/etc/zypp/zypp.conf; do
    [ ! -f "$file" ] || sed -i 's/^ *rpm.install.excludedocs *=.*/rpm.install.excludedocs = no/' "$file"
done

zypper --non-interactive --gpg-auto-import-keys refresh
zypper --non-interactive install {{ packages | join(" ") }}

mkdir -p {{ home }}/pool
for package in {{ pool | join(" ") }}; do
    zypper --non-interactive --pkg-cache-dir {{ home }}/pool install --download-only --force "$package" ||
        echo "$package is not available"
done

# From now on the repository with the packages to verify is the only one. Node images get these back.
mkdir -p {{ home }}/sources
for folder in /etc/zypp/repos.d /etc/zypp/services.d; do
    [ ! -d "$folder" ] || cp --archive --parents "$folder" {{ home }}/sources
done
rm -f /etc/zypp/repos.d/* /etc/zypp/services.d/*
zypper clean --all
