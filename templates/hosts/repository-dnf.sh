# Make the packages of the given folders and of the host's pool the only repository of dnf.
repository=/var/lib/kubeparcel/repository
rm -rf "$repository"
mkdir -p "$repository"
for folder in /var/lib/kubeparcel/pool "$@"; do
    find "$folder" -name '*.rpm' -exec ln -sf -t "$repository" {} +
done
createrepo_c --quiet "$repository"
cat >/etc/yum.repos.d/kubeparcel.repo <<EOF
[kubeparcel]
name=packages to verify
baseurl=file://$repository
enabled=1
gpgcheck=0
metadata_expire=0
EOF
dnf --quiet clean all
dnf --quiet makecache
