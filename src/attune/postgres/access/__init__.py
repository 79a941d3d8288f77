"""Tokens, logins and the audit."""
