"""Files chosen in unmodified Django forms go straight to the object store."""
