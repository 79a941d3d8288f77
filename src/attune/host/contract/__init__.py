"""How anything is executed on this host: by whom, from which files, under which limits."""
