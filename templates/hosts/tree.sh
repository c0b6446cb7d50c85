# List all files of a host, except the package managers' databases, caches and logs.
find / -xdev \( {% for path in ignored %}-path '{{ path }}' -o {% endfor %}-path /proc \) -prune -o \
    \( -type f -printf '%p\tfile %m %U:%G %s bytes %TY-%Tm-%Td %TT\n' \) -o \
    \( -type l -printf '%p\tlink to %l\n' \) -o \
    \( -printf '%p\tfolder %m %U:%G\n' \)
