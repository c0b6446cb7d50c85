"""The service level: systemd runs the kubelet as kubeadm expects it."""
