"""A PEP 751 lock."""

from __future__ import annotations

from llmdoctor import __version__
from llmdoctor.addresses import file_name
from llmdoctor.errors import UsageError
from llmdoctor.plan import Plan


def pylock(plan: Plan) -> str:
    """A pylock.toml for the plan's target alone.

    Raises:
        UsageError: the plan was not resolved, or the hash of a file is not known: a lock holds
            a hash for every file.
    """
    import tomlkit

    if not plan.changes:
        raise UsageError("a lock needs every package's file: let the indexes be asked (--resolve)")
    if unknown := [change.package.name for change in plan.changes if not change.package.sha256]:
        raise UsageError(
            f"a lock needs the hash of every file, and {', '.join(unknown)} came without one"
        )
    target = plan.choice.target
    document = tomlkit.document()
    document["lock-version"] = "1.0"
    document["created-by"] = f"llmdoctor {__version__}"
    document["requires-python"] = f"=={target.python}.*"
    packages = tomlkit.aot()
    for change in plan.changes:
        package = change.package
        entry = tomlkit.table()
        entry["name"] = package.name
        entry["version"] = package.version
        file = tomlkit.inline_table()
        if package.url:
            file["name"] = file_name(package.url)
            file["url"] = package.url
        if package.size is not None:
            file["size"] = package.size
        file["hashes"] = {"sha256": str(package.sha256)}
        if package.source == "sdist":
            entry["sdist"] = file
        else:
            entry["wheels"] = [file]
        packages.append(entry)
    document["packages"] = packages
    return tomlkit.dumps(document)
