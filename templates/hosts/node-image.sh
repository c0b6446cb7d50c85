# Turn a host with the packages installed into a node, before its files are exported.
# The distribution's configuration is for its own CNI plugins; runtime.sh writes another one.
rm -f /etc/containerd/config.toml
systemctl enable containerd.service kubelet.service kubeparcel-node.service
# The repository that the packages were installed from is not part of the image, those of the
# distribution are: other images can be derived from it.
rm -f /etc/yum.repos.d/kubeparcel.repo /etc/zypp/repos.d/kubeparcel.repo
if [ -d /var/lib/kubeparcel/sources ]; then
    rm -f /etc/apt/sources.list
    cp --archive /var/lib/kubeparcel/sources/. /
    rm -rf /var/lib/kubeparcel/sources
fi
# Expired Release files were accepted while the host was built.
rm -f /etc/apt/apt.conf.d/99mmdebstrap
sync
