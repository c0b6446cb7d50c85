# Correct the cgroup mounts of a container on a machine with cgroup v1 (or with both versions).
# With cgroup v2 nothing needs to be changed.
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || exit 0

# If it is mounted twice, runc uses wrong paths: "bind mount source stat: no such file".
systemd=/sys/fs/cgroup/systemd
if [ "$(grep -c " $systemd " /proc/self/mountinfo)" -gt 1 ]; then
    umount "$systemd/release_agent" 2>/dev/null || :
    umount "$systemd" 2>/dev/null || umount --lazy "$systemd" # older versions of systemd keep it open
    echo "Removed the second mount of $systemd in the containers: runc would use wrong paths."
fi

# The root of a kubelet with `cgroupRoot: /kubelet`.
for controller in /sys/fs/cgroup/*/; do
    [ "$controller" = /sys/fs/cgroup/unified/ ] || mkdir -p "$controller/kubelet" 2>/dev/null || :
done
echo "This machine has cgroup v1: kubelets run with failCgroupV1: false and cgroupRoot: /kubelet."
