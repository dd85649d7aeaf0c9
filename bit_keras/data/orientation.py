"""EXIF orientation as TensorFlow ops, so that a camera's sideways pictures stand upright in an exported model too.

Layouts: JPEG segments, ITU-T T.81 annex B; PNG chunks, PNG specification 3rd edition; the TIFF block inside either,
Exif 2.32 (CIPA DC-008), whose tag 0x0112 has the eight orientations.
"""

import tensorflow as tf

HEAD_BYTES = 1 << 17  # how far the tag is looked for; cameras write it in the first segment, of at most 64 KiB
ORIENTATION_TAG = 0x0112
STEPS = ((1, 1), (1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1), (-1, 1))  # through rows and columns
LONG = 4  # TIFF type of 4 bytes; the tag should be a SHORT, some software writes a LONG


def not_inlined(function):
    """Makes a function one operation: of a branch that is not taken TensorFlow passes over each by itself."""
    options = {"autograph": False, "reduce_retracing": True, "experimental_attributes": {"_noinline": True}}
    return tf.function(function, **options)


# AutoGraph would take half a second to read these functions, at the start of everything that decodes a picture; so they
# say what is a condition or a loop of the graph.
@tf.autograph.experimental.do_not_convert
def upright(picture, encoded):
    """Returns `picture` (height, width, 3) turned and mirrored as the EXIF data of its `encoded` bytes demand."""
    orientation = exif_orientation(encoded)
    return tf.cond(orientation == 1, lambda: picture, lambda: _turned(picture, orientation))


@tf.autograph.experimental.do_not_convert
def exif_orientation(encoded):
    """Returns the orientation, int32 from 1 (as it is) to 8, in JPEG or PNG bytes; 1 where there is none."""
    head = tf.strings.substr(encoded, 0, HEAD_BYTES)
    is_jpeg = tf.strings.substr(encoded, 0, 2) == b"\xff\xd8"
    is_png = tf.strings.substr(encoded, 0, 4) == b"\x89PNG"
    # Walking takes as long as decoding a small picture, looking for a word a hundredth of that.
    may_be_there = (is_jpeg | is_png) & _holds(head, tf.where(is_jpeg, r"Exif\x00\x00", "eXIf"))
    return tf.cond(may_be_there, lambda: _walked(head, is_jpeg), lambda: 1)


@not_inlined
def _walked(head, is_jpeg):
    """Returns the orientation that the segments or chunks in `head` give."""
    octets = tf.io.decode_raw(head, tf.uint8)
    start = tf.cond(is_jpeg, lambda: _jpeg_tiff_start(octets), lambda: _png_tiff_start(octets))
    is_there = (start >= 0) & (start + 8 <= tf.size(octets))
    return tf.cond(is_there, lambda: _tiff_orientation(octets[start:]), lambda: 1)


def _holds(head, word):
    """Whether `word`, as a regular expression, is anywhere in `head`: then cutting it out leaves something else."""
    # Full matching reads byte by byte; this jumps from one first letter to the next.
    rest = tf.strings.regex_replace(head, word, "", replace_global=False)
    return tf.strings.length(rest) < tf.strings.length(head)


@not_inlined
def _turned(picture, orientation):
    """Undoes what the camera did: first the transposition, then the mirrorings."""
    row_step, column_step = tf.unstack(tf.gather(STEPS, orientation))
    transposed = tf.transpose(picture, tf.where(orientation >= 5, [1, 0, 2], [0, 1, 2]))
    return transposed[::row_step, ::column_step]


def _jpeg_tiff_start(head):
    """Walks the segments before the picture data to the APP1 segment of EXIF; -1 if there is none."""
    size = tf.size(head)

    def goes_on(position, start):
        return (start < 0) & (position + 10 <= size)

    def step(position, _):
        segment = head[position : position + 10]
        is_end = (segment[0] != 0xFF) | (segment[1] == 0xDA)
        is_exif = (segment[1] == 0xE1) & tf.reduce_all(segment[4:] == tf.constant([*b"Exif\0\0"], tf.uint8))
        is_fill_byte = segment[1] == 0xFF
        length = tf.where(is_fill_byte, 1, 2 + _number(segment[2:4], 2, True))
        return tf.where(is_end, size, position + length), tf.where(is_exif & ~is_end, position + 10, -1)

    return tf.while_loop(goes_on, step, (tf.constant(2), tf.constant(-1)))[1]


def _png_tiff_start(head):
    """Walks the chunks to eXIf; -1 if there is none."""
    size = tf.size(head)

    def goes_on(position, start, length):
        return (start < 0) & (length >= 0) & (position + 8 <= size)

    def step(position, *_):
        length = _number(head[position : position + 4], 4, True)
        is_exif = tf.reduce_all(head[position + 4 : position + 8] == tf.constant([*b"eXIf"], tf.uint8))
        # A length over the head's ends the walk; clipped, so that the sum cannot overflow.
        following = position + 12 + tf.clip_by_value(length, 0, HEAD_BYTES)
        return following, tf.where(is_exif, position + 8, -1), length

    return tf.while_loop(goes_on, step, (tf.constant(8), tf.constant(-1), tf.constant(0)))[1]


def _tiff_orientation(tiff):
    """Looks for the tag among the 12-byte entries of the first directory; the last one counts."""
    big_endian = tiff[0] == ord("M")
    size = tf.size(tiff)
    directory = tf.clip_by_value(_number(tiff[4:8], 4, big_endian), 0, size - 2)
    entries = _number(tiff[directory : directory + 2], 2, big_endian)
    entries = tf.minimum(entries, (size - directory - 2) // 12)
    table = tf.reshape(tiff[directory + 2 : directory + 2 + 12 * entries], (-1, 12))
    found = tf.boolean_mask(table, _number(table[:, :2], 2, big_endian) == ORIENTATION_TAG)
    is_long = _number(found[:, 2:4], 2, big_endian) == LONG
    values = tf.where(is_long, _number(found[:, 8:12], 4, big_endian), _number(found[:, 8:10], 2, big_endian))
    orientation = tf.concat([[1], values], 0)[-1]
    return tf.where((orientation >= 1) & (orientation <= 8), orientation, 1)


def _number(octets, count, big_endian):
    """Returns the unsigned number in the last axis, of `count` bytes; one over 2^31 comes out negative."""
    places = tf.constant([1 << 24, 1 << 16, 1 << 8, 1][-count:])
    return tf.reduce_sum(tf.cast(octets, tf.int32) * tf.where(big_endian, places, places[::-1]), -1)
