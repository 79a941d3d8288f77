"""`make bench`: every figure that the documentation claims, beside its target."""

from __future__ import annotations

from benchmarks import contract, detection, executions, health, heartbeats, matching, probing, web

for part in (probing, contract, detection, health, heartbeats, matching, web, executions):
    print(f"# {(part.__doc__ or '').strip().splitlines()[0]}")
    part.main()
