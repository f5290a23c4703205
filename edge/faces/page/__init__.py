"""The page for the phone in your hand: static files, and the local JSON endpoints they ask."""
