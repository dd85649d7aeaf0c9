"""Where the bytes of a zip file's members lie."""

LENGTHS, NAME = 26, 30  # bytes after which a member's header has two lengths, and the name (APPNOTE, section 4.3.7)


def first_byte(file, member):
    """Returns the place in a binary `file` where the bytes of a `zipfile.ZipInfo` begin.

    In front of the bytes is a header that ends with a name and an extra field; the lengths of these may be others than
    in the list at the end of the file, where the `ZipInfo` is from.
    """
    file.seek(member.header_offset + LENGTHS)
    name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return member.header_offset + NAME + name + extra
