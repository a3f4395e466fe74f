"""The one error of the decoders."""


class MalformedPacket(ValueError):
    """Bytes that are not what the decoder reads; the text says which rule they break. The packet is dropped."""
