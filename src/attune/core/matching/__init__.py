"""Requirements, the fleet, which nodes satisfy them, and the explanation where none does."""
