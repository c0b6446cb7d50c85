"""The tags of rpm headers, and the flags in their values (rpm 4.19, rpmtag.h and rpmds.h)."""

from __future__ import annotations

from collections.abc import Mapping

NAME, VERSION, RELEASE, EPOCH, SUMMARY, DESCRIPTION = 1000, 1001, 1002, 1003, 1004, 1005
BUILDTIME, BUILDHOST, SIZE, VENDOR, LICENSE, PACKAGER = 1006, 1007, 1009, 1011, 1014, 1015
GROUP, URL, ARCH, SOURCERPM, SOURCEPACKAGE, LONGSIZE = 1016, 1020, 1022, 1044, 1106, 5009
CHANGELOGTIME, CHANGELOGNAME, CHANGELOGTEXT = 1080, 1081, 1082
PAYLOADFORMAT, PAYLOADCOMPRESSOR = 1124, 1125
PAYLOADDIGEST, PAYLOADDIGESTALGO, PAYLOADDIGESTALT = 5092, 5093, 5097

# One value per file, in the same order.
BASENAMES, DIRINDEXES, OLDFILENAMES, FILEMODES, FILEMTIMES = 1117, 1116, 1027, 1030, 1034
FILESIZES, LONGFILESIZES, FILEDIGESTS, FILELINKTOS, FILEFLAGS = 1028, 5008, 1035, 1036, 1037
FILEUSERNAME, FILEGROUPNAME, FILECAPS = 1039, 1040, 5010
DIRNAMES, FILEDIGESTALGO = 1118, 5011

# In the signature header, where the same numbers have other meanings.
HEADERSIGNATURES, SIG_RESERVEDSPACE = 62, 1008
SIG_DSA, SIG_RSA, SIG_OPENPGP, SIG_PGP, SIG_GPG = 267, 268, 278, 1002, 1005
SIG_SIZE, SIG_LONGSIZE, SIG_MD5, SIG_SHA1, SIG_SHA256 = 1000, 270, 1004, 269, 273
SIG_PAYLOADSIZE, SIG_LONGPAYLOADSIZE = 1007, 271
SIGNATURES: Mapping[str, int] = {"DSA": SIG_DSA, "RSA": SIG_RSA, "OPENPGP": SIG_OPENPGP, "PGP": SIG_PGP, "GPG": SIG_GPG}
"""DSA, RSA and OPENPGP sign the main header, PGP and GPG the main header and the payload."""

DIGESTS: Mapping[int, str] = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}
"""OpenPGP's hash algorithms (RFC 4880, 9.4) by their names in hashlib."""

RELATIONS: Mapping[str, tuple[int, int, int]] = {
    "depends": (1049, 1048, 1050),
    "recommends": (5046, 5048, 5047),
    "suggests": (5049, 5051, 5050),
    "supplements": (5052, 5054, 5053),
    "enhances": (5055, 5057, 5056),
    "conflicts": (1054, 1053, 1055),
    "obsoletes": (1090, 1114, 1115),
    "provides": (1047, 1112, 1113),
}
"""The tags of names, flags and versions of each relation, by deb's name for it."""

SENSE_MASK = 0x0E
OPERATORS: Mapping[int, str] = {2: "<", 4: ">", 8: "=", 10: "<=", 12: ">="}
"""The operators of relations, by the bits of SENSE_MASK in their flags."""

XML_OPERATORS: Mapping[str, str] = {"<": "LT", ">": "GT", "=": "EQ", "<=": "LE", ">=": "GE"}
"""The names of the operators in a yum repository's XML."""

SENSE_RPMLIB = 1 << 24
SENSE_PRE = 0x1640
"""RPMSENSE_PREREQ, SCRIPT_PRE and SCRIPT_POST: needed while the package is being installed."""

SENSE_AUTOMATIC = 1 << 8 | 1 << 14 | 1 << 15 | SENSE_RPMLIB | 1 << 28
"""Interpreters, what find-requires and find-provides generate, rpmlib() and config()."""

SCRIPTS: Mapping[str, tuple[int, int]] = {
    "pre": (1023, 1085),
    "post": (1024, 1086),
    "preun": (1025, 1087),
    "postun": (1026, 1088),
    "verifyscript": (1079, 1091),
    "pretrans": (1151, 1153),
    "posttrans": (1152, 1154),
    "preuntrans": (5103, 5105),
    "postuntrans": (5104, 5106),
}
"""The tags of the body and the interpreter of each scriptlet."""

TRIGGERS: Mapping[str, tuple[int, int]] = {
    "trigger": (1065, 1092),
    "filetrigger": (5066, 5067),
    "transfiletrigger": (5076, 5077),
}
"""The same for triggers, of which a package may have several."""

FILE_GHOST = 1 << 6
FILE_FLAGS: Mapping[int, str] = {
    1: "config",
    1 << 1: "doc",
    1 << 3: "missingok",
    1 << 4: "noreplace",
    FILE_GHOST: "ghost",
    1 << 7: "license",
    1 << 8: "readme",
    1 << 12: "artifact",
}
