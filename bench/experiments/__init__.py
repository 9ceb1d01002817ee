"""What the bench finds out, one file for each kind of experiment; each has a `conduct(session)`."""
