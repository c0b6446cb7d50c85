"""The cluster level: kubeadm makes a cluster of two hosts."""
