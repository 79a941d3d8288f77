"""HTTP: what programs and browsers see."""
