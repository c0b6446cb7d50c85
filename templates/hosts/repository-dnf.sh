# Makes the folders given, and the host's own pool, the only repository of dnf here.
repository=/var/lib/kubeparcel/repository
rm -rf "$repository"
mkdir -p "$repository"
for folder in /var/lib/kubeparcel/pool "$@"; do
    find "$folder" -name '*.rpm' -exec ln -s -t "$repository" {} +
done
createrepo_c --quiet "$repository"
cat >/etc/yum.repos.d/kubeparcel.repo <<EOF
[kubeparcel]
name=packages under proof
baseurl=file://$repository
enabled=1
gpgcheck=0
metadata_expire=0
EOF
dnf --quiet clean all
dnf --quiet makecache
