# Make the packages of the given folders and of the host's pool the only repository of apt.
repository=/var/lib/kubeparcel/repository
rm -rf "$repository"
mkdir -p "$repository"
for folder in /var/lib/kubeparcel/pool "$@"; do
    find "$folder" -name '*.deb' -exec ln -sf -t "$repository" {} +
done
cd "$repository"
for file in *.deb; do
    dpkg-deb --field "$file"
    echo "Filename: ./$file"
    echo "Size: $(stat --dereference --format %s "$file")"
    echo "SHA256: $(sha256sum "$file" | cut -d ' ' -f 1)"
    echo
done >Packages
echo "deb [trusted=yes] file:$repository ./" >/etc/apt/sources.list
apt-get --quiet update
