"""Pods: the manifests of ``docker/kubernetes`` on a real kubelet, and by podman."""
