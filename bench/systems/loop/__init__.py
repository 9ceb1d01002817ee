"""A hand-written loop without features: what Python can do at best."""
