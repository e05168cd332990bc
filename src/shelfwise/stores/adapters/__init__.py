"""One file per vendor. Only `app` imports from here."""
