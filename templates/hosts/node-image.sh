# Makes a node of a host with the packages inside, once, before its files are taken.
# What the host's own containerd says is for the host's own plugins; see runtime.sh.
rm -f /etc/containerd/config.toml
systemctl enable containerd.service kubelet.service kubeparcel-node.service
# The repository it was installed from is not there any more.
rm -f /etc/apt/sources.list /etc/yum.repos.d/kubeparcel.repo /etc/zypp/repos.d/kubeparcel.repo
sync
