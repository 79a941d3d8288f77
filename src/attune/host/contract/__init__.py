"""How every program is started here: checks, actions and sensors alike, under one policy."""
