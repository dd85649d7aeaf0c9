"""Zip files that need not be trusted: how they are opened, and where the bytes of their members lie."""

import contextlib
import io
import zipfile
import zlib

# What `zipfile` raises for damaged files, beside ValueError.
ERRORS = (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError, OSError)
MAX_AT_ONCE = 1 << 22  # bytes; the table of contents is read at once, and has about 150 for each of a BiT's arrays
LENGTHS, NAME = 26, 30  # bytes after which a member's header has two lengths, and the name (APPNOTE, section 4.3.7)


@contextlib.contextmanager
def opened_zip(path):
    """Opens a zip file whose table of contents is of a size that a BiT explains; in memory it takes ten times as much.

    Raises:
        zipfile.BadZipFile: if it is no zip file.
    """
    with _Bounded(path) as file, zipfile.ZipFile(file) as archive:
        yield archive


class _Bounded(io.FileIO):
    def read(self, size=-1):
        if size is not None and size > MAX_AT_ONCE:
            raise zipfile.BadZipFile("its table of contents is larger than any BiT's")
        return super().read(size)


def first_byte(file, member):
    """Returns the place in a binary `file` where the bytes of a `zipfile.ZipInfo` begin.

    In front of the bytes is a header that ends with a name and an extra field; the lengths of these may be others than
    in the list at the end of the file, where the `ZipInfo` is from.
    """
    file.seek(member.header_offset + LENGTHS)
    name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return member.header_offset + NAME + name + extra
