# At the first start, choose containerd's configuration for the machine's cgroup version, so that it
# uses the same cgroup driver as the kubelet. An existing configuration is kept.
set -eu
[ ! -e /etc/containerd/config.toml ] || exit 0
version=1
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || version=2
mkdir -p /etc/containerd
cp "{{ home }}/containerd-cgroup-v$version.toml" /etc/containerd/config.toml
