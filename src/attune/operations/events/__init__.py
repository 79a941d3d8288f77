"""Recording events and doing what rules say."""
