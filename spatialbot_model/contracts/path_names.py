"""Names from files and requests that are about to become paths.

A dataset, a bag or a request may come from anybody. What it calls an episode or a picture is
used as a path only after these checks, so that nothing outside the folder in question is read or
written.
"""

from pathlib import Path, PurePosixPath

from spatialbot_model.contracts.errors import UnsafePathError

_MAX_BYTES = 255


def check_file_name(name: str, what: str) -> str:
    """A name that is one path component, as it is.

    Args:
        name: what is to become a file or folder directly in another.
        what: of what it is the name, for the message.

    Raises:
        UnsafePathError: empty, too long, with a separator or a control character, or a way up.
    """
    odd = (
        name in ("", ".", "..")
        or len(name.encode(errors="replace")) > _MAX_BYTES
        or not name.isprintable()
        or "/" in name
        or "\\" in name
    )
    if odd:
        raise UnsafePathError(
            f"{what} is named {name[:80]!r}, which cannot be a file's name; expected 1 to"
            f" {_MAX_BYTES} printable characters without '/' and not '..'"
        )
    return name


def path_below(folder: Path, name: str, what: str) -> Path:
    """`folder` / `name`, for a relative path that may go through subfolders but not up.

    Links are followed as the folder's owner made them; only the name is judged.

    Raises:
        UnsafePathError: absolute, empty, with a control character, or with ``..``.
    """
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in name or not name.isprintable():
        raise UnsafePathError(
            f"{what} is {name[:80]!r}, expected a path below {folder} without '..'"
        )
    return folder.joinpath(*parts)
