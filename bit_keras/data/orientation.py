"""EXIF orientation as TensorFlow ops, so that a camera's sideways pictures stand upright in an exported model too.

Layouts: JPEG segments, ITU-T T.81 annex B; PNG chunks, PNG specification 3rd edition; the TIFF block inside either,
Exif 2.32 (CIPA DC-008), whose tag 0x0112 has the eight orientations.
"""

import tensorflow as tf

HEAD_BYTES = 1 << 17  # how far the tag is looked for; cameras write it in the first segment, of at most 64 KiB
ORIENTATION_TAG = 0x0112
LONG = 4  # TIFF type of 4 bytes; the tag should be a SHORT, some software writes a LONG


def upright(picture, encoded):
    """Returns `picture` (height, width, 3) turned and mirrored as the EXIF data of its `encoded` bytes demand."""
    orientation = exif_orientation(encoded)
    return tf.cond(orientation == 1, lambda: picture, lambda: _turned(picture, orientation))


def exif_orientation(encoded):
    """Returns the orientation, int32 from 1 (as it is) to 8, in JPEG or PNG bytes; 1 where there is none."""
    head = tf.io.decode_raw(tf.strings.substr(encoded, 0, HEAD_BYTES), tf.uint8)
    is_png = tf.strings.substr(encoded, 0, 4) == b"\x89PNG"
    is_jpeg = tf.strings.substr(encoded, 0, 2) == b"\xff\xd8"
    start = tf.constant(-1)
    if is_jpeg:
        start = _jpeg_tiff_start(head)
    elif is_png:
        start = _png_tiff_start(head)
    orientation = tf.constant(1)
    if start >= 0 and start + 8 <= tf.size(head):
        orientation = _tiff_orientation(head[start:])
    return orientation


def _turned(picture, orientation):
    """Undoes what the camera did: first the transposition, then the mirrorings."""
    if orientation >= 5:
        picture = tf.transpose(picture, (1, 0, 2))
    if tf.reduce_any(orientation == tf.constant([2, 3, 6, 7])):
        picture = tf.reverse(picture, [1])
    if tf.reduce_any(orientation == tf.constant([3, 4, 7, 8])):
        picture = tf.reverse(picture, [0])
    return picture


def _jpeg_tiff_start(head):
    """Walks the segments before the picture data to the APP1 segment of EXIF; -1 if there is none."""
    size = tf.size(head)
    position, start = tf.constant(2), tf.constant(-1)
    while start < 0 and position + 10 <= size and head[position] == 0xFF and head[position + 1] != 0xDA:
        if head[position + 1] == 0xFF:  # a fill byte
            position += 1
        else:
            is_exif = tf.reduce_all(head[position + 4 : position + 10] == tf.constant([*b"Exif\0\0"], tf.uint8))
            if head[position + 1] == 0xE1 and is_exif:
                start = position + 10
            position += 2 + _number(head[position + 2 : position + 4], big_endian=True)
    return start


def _png_tiff_start(head):
    """Walks the chunks to eXIf; -1 if there is none."""
    size = tf.size(head)
    position, start, length = tf.constant(8), tf.constant(-1), tf.constant(0)
    while start < 0 and length >= 0 and position + 8 <= size:
        length = _number(head[position : position + 4], big_endian=True)
        if tf.reduce_all(head[position + 4 : position + 8] == tf.constant([*b"eXIf"], tf.uint8)):
            start = position + 8
        # A length over the head's ends the walk; clipped, so that the sum cannot overflow.
        position += 12 + tf.clip_by_value(length, 0, HEAD_BYTES)
    return start


def _tiff_orientation(tiff):
    """Looks for the tag among the 12-byte entries of the first directory."""
    big_endian = tiff[0] == ord("M")
    size = tf.size(tiff)
    directory = tf.clip_by_value(_number(tiff[4:8], big_endian), 0, size - 2)
    entries = _number(tiff[directory : directory + 2], big_endian)
    entries = tf.minimum(entries, (size - directory - 2) // 12)
    table = tf.reshape(tiff[directory + 2 : directory + 2 + 12 * entries], (-1, 12))
    orientation = tf.constant(1)
    for entry in table:
        if _number(entry[0:2], big_endian) == ORIENTATION_TAG:
            is_long = _number(entry[2:4], big_endian) == LONG
            orientation = _number(entry[8:12] if is_long else entry[8:10], big_endian)
    return tf.where(orientation >= 1 and orientation <= 8, orientation, 1)


def _number(octets, big_endian):
    """Returns the unsigned number in at most four bytes; one over 2^31 comes out negative."""
    octets = tf.cast(octets if big_endian else octets[::-1], tf.int32)
    value = tf.constant(0)
    for octet in octets:
        value = value * 256 + octet
    return value
