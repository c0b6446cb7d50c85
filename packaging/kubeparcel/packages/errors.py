"""The error of the small readers in this folder; `contents.read` adds which file it was."""


class MalformedData(ValueError):
    """Bytes are not what they should be; the text says which, without a full stop."""
