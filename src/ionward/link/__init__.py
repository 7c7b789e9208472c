"""How messages of peers travel from unit to unit: bytes in, bytes out, and no idea of what they say."""
