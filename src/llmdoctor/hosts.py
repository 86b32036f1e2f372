"""Which hosts may stand in a report: those that everybody knows.

A company's own index names the company, and its network; the path on it names teams and projects.
Of the path stays what tells the kind of index. Loopback addresses stay, since they are the same on
every machine, and so do the names that are reserved for examples.
"""

from __future__ import annotations

import re
from functools import cache

# Whole names, by how they end: below a maker's domain lie hosts of its staff, too. Those of our own
# tables, profiles and causes, and those that logs of installers, hubs and tools quote.
_PUBLIC = {
    ".com": """
        github www.github api.github codeload.github gist.github gitlab www.gitlab docs.gitlab
        raw.githubusercontent objects.githubusercontent release-assets.githubusercontent
        user-images.githubusercontent nvidia www.nvidia docs.nvidia developer.nvidia
        forums.developer.nvidia download.nvidia developer.download.nvidia us.download.nvidia
        catalog.ngc.nvidia pypi.nvidia pypi.ngc.nvidia microsoft www.microsoft learn.microsoft
        go.microsoft code.visualstudio packages.microsoft visualstudio.microsoft rocm.docs.amd
        www.amd repo.radeon intel www.intel pytorch-extension.intel www.anaconda repo.anaconda
        hub.docker docs.docker download.docker stackoverflow google www.google storage.googleapis
        colab.research.google archive.ubuntu security.ubuntu ports.ubuntu hf-mirror wandb docs.wandb
        openai kaggle www.kaggle mirrors.aliyun mirrors.cloud.tencent repo.huaweicloud mirrors.163
        forum.endeavouros git-scm""",
    ".org": """
        pypi test.pypi python www.python docs.python peps.python packaging.python discuss.python
        devguide.python pytorch www.pytorch docs.pytorch download.pytorch download-r2.pytorch
        data.pytorch discuss.pytorch dev-discuss.pytorch python-poetry www.python-poetry
        install.python-poetry numpy scipy arxiv cmake gnu www.gnu gcc.gnu conda-forge kernel
        www.kernel conda.anaconda anaconda bitbucket nixos wiki.nixos cache.nixos docs.oasis-open
        deb.debian security.debian packages.debian wiki.archlinux static.rust-lang
        index.crates en.wikipedia""",
    "hosted.org": "files.python",
    ".io": """
        pypa.github pypa pip.pypa setuptools.pypa bootstrap.pypa build.pypa packaging.pypa
        pip.readthedocs urllib3.readthedocs docs.conda quay ghcr gcr nvcr docker registry-1.docker
        auth.docker crates static.crates pypi.jetson-ai-lab""",
    ".cn": """
        modelscope www.modelscope pypi.tuna.tsinghua.edu mirrors.tuna.tsinghua.edu mirrors.ustc.edu
        mirror.sjtu.edu mirrors.bfsu.edu mirrors.pku.edu mirrors.zju.edu""",
    ".co": "huggingface www.huggingface discuss.huggingface cdn-lfs.huggingface hf",
    ".hf.co": """
        cdn-lfs cdn-lfs-us-1 cdn-lfs-eu-1 cas-bridge.xethub cas-server.xethub transfer.xethub""",
    ".ai": "docs.vllm wheels.vllm flashinfer docs.flashinfer docs.unsloth unsloth modelscope",
    ".sh": "astral docs.astral",
    ".rs": "sh.rustup rustup",
    ".dev": "pypi.jetson-ai-lab",
    ".gov": "nvd.nist",
    ".ms": "aka",
}
# Nobody's: this machine's own names and addresses, examples, and what stands for a host.
_NOBODYS = r"""
  localhost(?:\.localdomain)? | 127(?:\.\d+){3} | 0\.0\.0\.0 | \[::1?\]
  |(?:.+\.)?(?:example|invalid|test|example\.(?:com|org|net)) | [\W_]* | (?-i:[A-Z_]+) | .*[<>${}].*
"""
_OF_A_NETWORK = r"""
  10(?:\.\d+){3} | 192\.168(?:\.\d+){2} | 172\.(?:1[6-9]|2\d|3[01])(?:\.\d+){2}
  |169\.254(?:\.\d+){2} | 100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])(?:\.\d+){2}
  |\[f[cde][\da-f:.%\w]*\] | [^.:\[\]]+ | .+\.(?:local|internal|intranet|lan|corp|home|private)
"""
_NAME = r"[\w-]+(?:\.[\w-]+)*"
# Where a host stands: in an address, and in what pip, urllib3, curl and git say of one. By a word
# that each has, so that most texts cost no regular expression.
_IN_TEXT = {
    "://": r"(\b(?:https?|ftp|ssh|git|wss?|tcp|s3|gs|socks[45]h?)://)"
    r"(\[[\da-f:.%\w]+\]|[^\s/\\:?#'\"`<>,;|(){}\[\]@$&=]+)",
    "(host=": rf"(\(host=['\"])({_NAME})(?=['\"])",
    "esolve '": rf"(\bFailed to resolve ')({_NAME})(?=')",
    "timed out": rf"(\bConnection to )({_NAME})(?= timed out)",
    "not valid for": rf"(\bcertificate is not valid for ['\"])({_NAME})(?=['\"])",
    "located at": rf"(\brepository located at )({_NAME})(?= is not)",
    "resolve": rf"(\bcould not resolve (?:host(?:name)?|proxy):? )({_NAME})",
    "trusted-host": rf"(--trusted-host[= ])({_NAME})",
    "git@": rf"(\bgit@)({_NAME})(?=:)",
}
# The path on a host that is hidden, and the words of one that say nothing but what an index has.
_PATHS = (
    r"((?:://<(?:private-)?host>(?::\d+)?/|\bgit@<(?:private-)?host>:))([^\s'\"`<>,;|(){}\[\]]+)",
    r"(\(host='<(?:private-)?host>', port=\d+\): [\w ]{0,60}\burl: /)([^\s'\"`<>]+)",
)
_OF_AN_INDEX = r"simple|whl|pypi|pytorch|nightly|test|cpu|xpu|cu\d{2,3}|rocm[\d.]+|"


def is_public(host: str) -> bool:
    """Whether everybody knows this host."""
    return host.rstrip(".").lower() in _public()


@cache
def _public() -> frozenset[str]:
    return frozenset(name + end for end, names in _PUBLIC.items() for name in names.split())


def without_private_hosts(text: str) -> str:
    """The same with "<host>" for each host that is not known to everybody, "<path>" behind it.

    One of a private network, by its address or its name, is "<private-host>".
    """
    for clue, where in _IN_TEXT.items():
        if clue in text:
            text = re.sub(where, _hidden, text, flags=re.IGNORECASE)
    if "host>" in text:
        for where in _PATHS:
            text = re.sub(where, _hidden_path, text)
    return text


def _hidden_path(found: re.Match[str]) -> str:
    shown: list[str] = []
    for part in found[2].split("/"):
        known = re.fullmatch(_OF_AN_INDEX, part)
        if known or shown[-1:] != ["<path>"]:
            shown.append(part if known else "<path>")
    return found[1] + "/".join(shown)


def _hidden(found: re.Match[str]) -> str:
    lead, name = found.groups()
    host = name.rstrip(".")
    flags = re.VERBOSE | re.IGNORECASE
    if is_public(host) or re.fullmatch(_NOBODYS, host, flags):
        return found[0]
    shown = "<private-host>" if re.fullmatch(_OF_A_NETWORK, host, flags) else "<host>"
    return lead + shown + name[len(host) :]
