"""Assertions about the kubelet's unit, a running kubelet, and the tools next to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.reports.results import Finding
from kubeparcel.verify import kubelet
from kubeparcel.verify.install.steps import ADMIN_EDIT
from kubeparcel.verify.kubelet import BASE_ARGUMENTS, KubeletFiles, unit_properties
from kubeparcel.verify.kubelet_contract import COMMAND_LINE, CONFIG_FILE, FIPS_ONLY, KUBEADM_FLAGS_FILE, KUBELET, UNIT
from kubeparcel.verify.node_setup import CRI_SOCKET
from kubeparcel.verify.package_expectations import ENV_HOLDER, binaries
from kubeparcel.verify.scenario import HostContext, StepFunction, describe_output

RESTART_COMMAND = "systemctl restart kubelet"
"""The command that an upgrade prints for the administrator, because it does not restart the kubelet."""

BACKUP_SUFFIXES = (".dpkg-bak", ".dpkg-old", ".rpmsave", ".rpmnew", ".rpmorig")
"""The suffixes that package managers give to files that an administrator has edited."""

CNI_VERSION = "1.0.0"


def unit_is_valid(context: HostContext, unit: str = UNIT) -> Iterator[Finding]:
    """`systemd-analyze verify` reports no problem with a unit and its drop-ins."""
    result = context.run("systemd-analyze", "verify", unit)
    lines = f"{result.stdout}{result.stderr}".splitlines()
    problems = [line for line in lines if unit.removesuffix(".service") in line]
    if result.exit_code or problems:
        found = "\n".join(problems) or f"exit code {result.exit_code}"
        yield Finding("no problem from systemd-analyze verify", found, unit)


def unit_files_are_packaged(context: HostContext, packages: PackageSet | None = None) -> Iterator[Finding]:
    """Systemd has read the unit and the drop-in of a package set (by default the one under test), and no other."""
    expected = KubeletFiles.of(packages or context.packages)
    context.run("systemctl", "cat", UNIT)
    unit, paths = unit_properties(context, "FragmentPath", "DropInPaths").values()
    drop_ins = _usr_merged(*paths.split())
    if _usr_merged(unit) != _usr_merged(expected.unit):
        yield Finding(expected.unit or "a packaged unit", unit or "no unit", UNIT)
    if drop_ins != _usr_merged(expected.drop_in):
        yield Finding(expected.drop_in or "a packaged drop-in", " ".join(drop_ins) or "no drop-in", f"{UNIT}.d")


def _usr_merged(*paths: str) -> list[str]:
    """Return paths with /lib as /usr/lib, where it is a link to that on most hosts."""
    return [re.sub(r"^/lib/", "/usr/lib/", path) for path in paths if path]


def exec_start_is_exact(context: HostContext) -> Iterator[Finding]:
    """ExecStart= is one command: the kubelet with the four variables, in order."""
    commands = kubelet.parse_commands(unit_properties(context, "ExecStart")["ExecStart"])
    expected = " ".join(COMMAND_LINE)
    if commands != [expected]:
        yield Finding(expected, "\n".join(commands) or "no command", f"{UNIT} ExecStart")


def environment_files_in_order(context: HostContext) -> Iterator[Finding]:
    """Kubeadm's flags are read first, the administrator's file last; both are optional."""
    found = unit_properties(context, "EnvironmentFiles")["EnvironmentFiles"]
    expected = [KUBEADM_FLAGS_FILE, KubeletFiles.of(context.packages).env_file]
    if kubelet.parse_environment_files(found) != expected:
        yield Finding(" then ".join(expected) + ", both optional", found or "none", f"{UNIT} EnvironmentFile")


def nothing_overrides(context: HostContext, packages: PackageSet | None = None) -> Iterator[Finding]:
    """Nothing in /etc or /run overrides or masks the unit, except the drop-in of a package set."""
    result = context.script(
        'find /etc/systemd /run/systemd /usr/local/lib/systemd \\( -name "$1" -o '
        '-path "*/$1.d/*.conf" \\) ! -path "*.wants/*" 2>/dev/null || :',
        UNIT,
    )
    for path in result.stdout.splitlines():
        if path != KubeletFiles.of(packages or context.packages).drop_in:
            yield Finding("no file that overrides the packages' own", "a file", path)


def enabled_as_preset(context: HostContext, unit: str = UNIT) -> Iterator[Finding]:
    """A unit is enabled or disabled as the host's presets say."""
    units = json.loads(context.run("systemctl", "list-unit-files", "--output=json", unit).stdout or "[]")
    if not units:
        yield Finding("a unit", "systemctl lists none", unit)
    elif units[0]["state"] != units[0]["preset"]:
        yield Finding(f"{units[0]['preset']}, by its preset", str(units[0]["state"]), unit)


def unit_is_disabled(context: HostContext) -> Iterator[Finding]:
    """The unit is disabled."""
    found = context.run("systemctl", "is-enabled", UNIT).stdout.strip()
    if found != "disabled":
        yield Finding("disabled", found or "no state", f"systemctl is-enabled {UNIT}")


def waits_for_kubeadm(context: HostContext) -> Iterator[Finding]:
    """Started before kubeadm has written its configuration, the kubelet does not run or fail."""
    context.run("systemctl", "start", UNIT)
    yield from kubelet.assert_unit_properties(
        context, ActiveState="inactive", ConditionResult="no", ExecMainStartTimestampMonotonic="0", NRestarts="0"
    )


def kubelet_runs_with(
    *last: str, base: Sequence[str] = BASE_ARGUMENTS, flags: bool = True, **settings: object
) -> StepFunction:
    """Return a step that expects a healthy kubelet with exact arguments, and settings in effect.

    The arguments are `base`, then kubeadm's and those in the packages' environment file if `flags`;
    `last` replaces the latter. `settings` are fields of the KubeletConfiguration, as the kubelet's
    configz returns them; one that the packages' arguments set is not compared.
    """

    def check(context: HostContext) -> Iterator[Finding]:
        kubelet.wait_until_healthy(context)
        from_kubeadm = kubelet.kubeadm_flags(context) if flags else []
        packaged = kubelet.extra_arguments(context) if flags and not last else []
        yield from kubelet.assert_command_line(context, [*base, *from_kubeadm, *packaged, *last])
        running = kubelet.running_settings(context) if settings else {}
        overridden = {argument.partition("=")[0] for argument in packaged}
        for name, value in settings.items():
            if running.get(name) != value and _flag(name) not in overridden:
                yield Finding(f"{name}: {value}", f"{name}: {running.get(name)}", "configz")

    return check


def _flag(setting: str) -> str:
    """Return the kubelet's flag for a field of its configuration: `--max-pods` for maxPods."""
    return "--" + re.sub("([A-Z])", r"-\1", setting).lower()


def fips_kubelet_answers_over_tls(context: HostContext) -> Iterator[Finding]:
    """The kubelet has GODEBUG=fips140=only in its environment, and serves its settings over TLS."""
    pid = kubelet.main_pid(context)
    environment = context.script("tr '\\0' '\\n' <\"/proc/$1/environ\"", pid).stdout.splitlines()
    if FIPS_ONLY not in environment:
        yield Finding(FIPS_ONLY, "not in the environment", context.locate(f"/proc/{pid}/environ"))
    kubelet.running_settings(context)


def kubelet_not_restarted(context: HostContext) -> Iterator[Finding]:
    """The kubelet is the process that was recorded last, and healthy."""
    before, now = context.state["pid"], kubelet.main_pid(context)
    if now == before:
        kubelet.wait_until_healthy(context)
    else:
        context.state["pid"] = now  # the next step is judged by itself
        yield Finding(f"process {before}, not restarted", f"process {now}" if now != "0" else "no process", UNIT)


def upgrade_advises_restart(context: HostContext) -> Iterator[Finding]:
    """The output of the kubelet's upgrade names RESTART_COMMAND."""
    where = f"the upgrade of {ENV_HOLDER}"
    context.evidence[f"output of {where}"] = context.state[ENV_HOLDER]
    if RESTART_COMMAND not in context.state[ENV_HOLDER]:
        yield Finding(f"advice to run {RESTART_COMMAND}", "not in the output", where)


def edited_drop_in_is_saved(context: HostContext) -> Iterator[Finding]:
    """The administrator's edit of the drop-in is in a backup file, where it has no effect."""
    path = context.state["edited"]
    text = 'cd "${1%/*}" && shift && for f; do [ ! -f "$f" ] || grep -H "$edit" "$f"; done || :'
    names = [path.rpartition("/")[2] + suffix for suffix in BACKUP_SUFFIXES]
    result = context.script(f"edit='{ADMIN_EDIT}'; {text}", path, *names)
    if ADMIN_EDIT not in result.stdout:
        expected = f"the edit in a backup file ({', '.join(BACKUP_SUFFIXES)})"
        yield Finding(expected, "no such file, or no edit in it", path)


def kubelet_is_stopped(context: HostContext) -> Iterator[Finding]:
    """The removed kubelet does not run any more; the node's own files remain."""
    processes = context.run("sh", "-c", f"for p in /proc/[0-9]*; do readlink $p/exe; done | grep {KUBELET}")
    if not processes.exit_code:
        yield Finding("no process", processes.stdout.strip(), KUBELET)
    for path in (CONFIG_FILE, "/etc/kubernetes/kubelet.conf"):
        if context.run("test", "-s", path).exit_code:
            yield Finding("the file remains", "it is missing or empty", path)


def crictl_reaches_runtime(context: HostContext) -> Iterator[Finding]:
    """Crictl reaches containerd, which is ready, and lists its containers: none."""
    crictl = ("crictl", f"--runtime-endpoint={CRI_SOCKET}", f"--image-endpoint={CRI_SOCKET}")
    info = context.run(*crictl, "info")
    try:
        conditions = json.loads(info.stdout)["status"]["conditions"]
        states = {condition["type"]: condition["status"] for condition in conditions}
    except (ValueError, KeyError, TypeError):
        states = {}
    if states.get("RuntimeReady") is not True:
        yield Finding("RuntimeReady: true", str(states) if states else describe_output(info), "crictl info")
    listed = context.run(*crictl, "ps", "--all")
    if listed.exit_code or "CONTAINER" not in listed.stdout:
        yield Finding("a list of containers", describe_output(listed), "crictl ps --all")


def cni_plugins_respond(context: HostContext) -> Iterator[Finding]:
    """Each CNI plugin responds to the command VERSION, and supports CNI_VERSION."""
    paths = [path for path in binaries(context.packages) if path.startswith(f"{context.packages.cni_bin_dir}/")]
    text = f'echo \'{{"cniVersion":"{CNI_VERSION}"}}\' | CNI_COMMAND=VERSION "$1"'
    for result in context.run_each([("sh", "-c", text, "sh", path) for path in paths]):
        try:
            supported = json.loads(result.stdout)["supportedVersions"]
        except (ValueError, KeyError, TypeError):
            supported = ()
        if CNI_VERSION not in supported:
            yield Finding(f"supportedVersions with {CNI_VERSION}", describe_output(result), result.argv[-1])
