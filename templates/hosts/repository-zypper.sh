# Make the packages of the given folders and of the host's pool the only repository of zypper.
repository=/var/lib/kubeparcel/repository
rm -rf "$repository"
mkdir -p "$repository"
for folder in /var/lib/kubeparcel/pool "$@"; do
    find "$folder" -name '*.rpm' -exec ln -sf -t "$repository" {} +
done
createrepo_c --quiet "$repository"
cat >/etc/zypp/repos.d/kubeparcel.repo <<EOF
[kubeparcel]
name=packages to verify
baseurl=dir://$repository
type=rpm-md
enabled=1
autorefresh=1
gpgcheck=0
EOF
zypper --quiet --non-interactive --no-gpg-checks refresh --force
