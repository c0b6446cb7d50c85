# The kernel is the machine's below: a kubelet sets it as it likes at its start (its own
# documentation: protectKernelDefaults), and would do so for everybody. Here it finds it set already,
# in files of the container's own.
mkdir -p /run/kubeparcel-kernel
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    path=/proc/sys/${setting%=*}
    own=/run/kubeparcel-kernel/${path##*/}
    [ -e "$path" ] && [ ! -e "$own" ] || continue
    echo "${setting#*=}" >"$own"
    mount --bind "$own" "$path"
done
