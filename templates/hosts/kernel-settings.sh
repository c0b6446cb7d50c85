# A kubelet changes these kernel settings when it starts (see protectKernelDefaults in its
# documentation). They would change for the whole machine, so files of the container that already
# have the desired values are mounted over them.
mkdir -p /run/kubeparcel-kernel
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    path=/proc/sys/${setting%=*}
    file=/run/kubeparcel-kernel/${path##*/}
    [ -e "$path" ] && [ ! -e "$file" ] || continue
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "$path"
done
