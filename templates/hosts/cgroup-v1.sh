# Repairs what a container engine leaves crooked where cgroups are of version 1 (or both versions).
# Where they are of version 2 there is nothing to do.
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || exit 0

# Mounted twice, runc computes wrong paths from the second: "bind mount source stat: no such file".
systemd=/sys/fs/cgroup/systemd
if [ "$(grep -c " $systemd " /proc/self/mountinfo)" -gt 1 ]; then
    umount "$systemd/release_agent" 2>/dev/null || :
    umount "$systemd" 2>/dev/null || umount --lazy "$systemd" # older systemds keep it open
    echo "The second mount of $systemd in the containers is taken away: runc computes wrong paths from it."
fi

# For a kubelet with `cgroupRoot: /kubelet`.
for controller in /sys/fs/cgroup/*/; do
    [ "$controller" = /sys/fs/cgroup/unified/ ] || mkdir -p "$controller/kubelet" 2>/dev/null || :
done
echo "This machine has cgroups of version 1: kubelets get failCgroupV1: false, cgroupRoot: /kubelet."
