"""Published files come into a cache: whole, as they were sent, or not at all."""
