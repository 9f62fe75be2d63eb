"""Why a target is missed, beside its figure: by the text of the target, in reStructuredText."""

REASONS: dict[str, str] = {}
