"""What the engine says, for people who hold the page and no command line."""

from __future__ import annotations

import re

_INSTEAD = (
    (r"(; )?run:? edge train( .*)?$", r"\1train it again"),
    (r" with --not-concept\b", " as not showing it"),
    (r"add some with --concept .*$", "add some that do"),
    (
        r"(try other pictures, or )?create the model without --closed-environment",
        "let it know pictures of none of them, under Models",
    ),
    (r"name one with: edge model add-concept .*$", "add one under Models"),
    (r"(,| and| or)? (check the disk and )?run:? edge doctor.*$", ""),
    (r" and measure with: edge evaluate .*$", " and try the model on them"),
)
_VERBS = (
    "add|annotate|inputs|concepts|model|init|backbone|train|predict|evaluate|versions|rollback|export|remove|restore|"
    "import|watch|serve|sync|doctor|key|remote|release|service"
)
_COMMAND = re.compile(rf"\bedge (-|({_VERBS})\b)|(^|\s)--[a-z]|\bdoctor --")


def for_page(message: str) -> str:
    """A message in the page's own words; what only a command could do is left out."""
    for pattern, words in _INSTEAD:
        message = re.sub(pattern, words, message)
    kept = [one for one in message.split("; ") if not _COMMAND.search(one)]
    return "; ".join(kept) or "the device cannot do this now"
