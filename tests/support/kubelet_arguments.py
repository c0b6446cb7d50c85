"""Values of `kubelet-extra-args`, and the arguments that each of them means."""

from __future__ import annotations

from collections.abc import Mapping

ARGUMENTS: Mapping[str, list[str]] = {
    "--v=2": ["--v=2"],
    "--v=4 --node-ip=10.0.0.1": ["--v=4", "--node-ip=10.0.0.1"],
    "  --v=2 \t --node-ip=::1  ": ["--v=2", "--node-ip=::1"],
    '"--node-labels=site=berlin" --v=2': ["--node-labels=site=berlin", "--v=2"],
    "'--node-labels=site=berlin' '--v=2'": ["--node-labels=site=berlin", "--v=2"],
    '"--v=2 --x=1"': ["--v=2 --x=1"],
    '--provider-id="two words" --v=2': ["--provider-id=two words", "--v=2"],
    "--provider-id='  padded  '": ["--provider-id=  padded  "],
    '--feature-gates="A=true","B=false"': ["--feature-gates=A=true,B=false"],
    """'--x={"a": "b\\n", "c": [1, 2]}'""": ['--x={"a": "b\\n", "c": [1, 2]}'],
    """--x='{"pattern":"\\\\d+"}'""": ['--x={"pattern":"\\\\d+"}'],
    '--x="{\\"a\\": \\"b\\"}" --v=2': ['--x={"a": "b"}', "--v=2"],
    "--path='C:\\var\\log\\'": ["--path=C:\\var\\log\\"],
    '--path="C:\\\\new"': ["--path=C:\\new"],
    '--x="it\'s here"': ["--x=it's here"],
    "--x '' --v=2": ["--x", "", "--v=2"],
    '--x=""': ["--x="],
    "--x=$HOME --y=${PATH} '--z=$A b'": ["--x=$HOME", "--y=${PATH}", "--z=$A b"],
    "--x=100%n --y=%%": ["--x=100%n", "--y=%%"],
    "--x=a;b#c ; # d": ["--x=a;b#c", ";", "#", "d"],
    "'# no comment'": ["# no comment"],
    "--x=`id` '--y=`id` $(id)'": ["--x=`id`", "--y=`id` $(id)"],
    "--x=a*b?c[d] ~ @y -z !w": ["--x=a*b?c[d]", "~", "@y", "-z", "!w"],
    "--node-labels=stadt=Köln '--x=日 本'": ["--node-labels=stadt=Köln", "--x=日 本"],
    "--x=a\u00a0b\u3000c": ["--x=a\u00a0b\u3000c"],
    "--x={{ a }} {% b %}": ["--x={{", "a", "}}", "{%", "b", "%}"],
}

INVALID = (
    '--x={"a":"b"}',
    '--x {"a": 1}',
    '"--x={"a":"b"}"',
    "--x=don't",
    "--x='two words",
    '"--x=\\"',
    "--path=C:\\var",
    "--x=two\\ words",
    '"--x=\\d"',
    "--v=2\\",
)
"""Values whose quotes and backslashes shells, systemd and readers understand differently."""
