"""What systemd and kubeadm write about the kubelet is parsed as they mean it."""

from kubeparcel.verify import kubelet

EXEC_START = (
    "{ path=/usr/bin/kubelet ; argv[]=/usr/bin/kubelet $A $B ; ignore_errors=no ; pid=0 ; }\n"
    "{ path=/bin/true ; argv[]=/bin/true ; ignore_errors=no ; pid=0 ; }"
)


def test_parse_properties_joins_the_values_of_a_repeated_property():
    output = "EnvironmentFiles=/a (ignore_errors=yes)\nMainPID=4\nEnvironmentFiles=/b (x=no)\n"
    assert kubelet.parse_properties(output) == {"EnvironmentFiles": "/a (ignore_errors=yes)\n/b (x=no)", "MainPID": "4"}


def test_parse_environment_files_marks_a_required_file():
    value = "/a (ignore_errors=yes)\n/b (ignore_errors=no)"
    assert kubelet.parse_environment_files(value) == ["/a", "!/b"]
    assert kubelet.parse_environment_files("") == []


def test_parse_commands_returns_every_command_of_a_unit():
    assert kubelet.parse_commands(EXEC_START) == ["/usr/bin/kubelet $A $B", "/bin/true"]


def test_parse_flags_splits_words_as_systemd_does():
    text = '# kubeadm\'s\nKUBELET_KUBEADM_ARGS="--max-pods=33 --node-ip=192.0.2.1"\n'
    flags = kubelet.parse_flags(text, "KUBELET_KUBEADM_ARGS")
    assert flags == ["--max-pods=33", "--node-ip=192.0.2.1"]
    assert kubelet.parse_flags("A='--x \"--y=two words\"'\n", "A") == ["--x", "--y=two words"]
    assert kubelet.parse_flags("A=\n", "A") == []
    assert kubelet.parse_flags("B=1\n", "A") == []


def test_kubelet_files_are_found_in_both_layouts(package_sets):
    etc = kubelet.KubeletFiles.of(package_sets["etc"])
    official = kubelet.KubeletFiles.of(package_sets["official"])
    assert etc.drop_in == "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"
    assert official.drop_in == "/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
    assert etc.unit == official.unit == "/lib/systemd/system/kubelet.service"
    assert etc.env_file == "/etc/default/kubelet"


def test_base_arguments_are_those_of_the_drop_in_in_order():
    names = [argument.partition("=")[0] for argument in kubelet.BASE_ARGUMENTS]
    assert names == ["/usr/bin/kubelet", "--bootstrap-kubeconfig", "--kubeconfig", "--config"]
