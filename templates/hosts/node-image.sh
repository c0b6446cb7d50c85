# Turn a host with the packages installed into a node, before its files are exported.
# The distribution's configuration is for its own CNI plugins; runtime.sh writes another one.
rm -f /etc/containerd/config.toml
systemctl enable containerd.service kubelet.service kubeparcel-node.service
# The repository that the packages were installed from is not part of the image.
rm -f /etc/apt/sources.list /etc/yum.repos.d/kubeparcel.repo /etc/zypp/repos.d/kubeparcel.repo
sync
