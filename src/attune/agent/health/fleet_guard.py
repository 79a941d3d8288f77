"""Keeps a changed definition from withdrawing a runtime from much of a fleet: the rest keep their last good verdict."""

import os
from collections.abc import Collection
from dataclasses import replace

from attune.agent.logs import log
from attune.core.nodes.fleet_losses import RuntimeLoss, may_be_kept
from attune.core.ports.nodes import FleetLosses
from attune.core.runtimes.verdict import Verdict
from attune.operations.runtimes.detect import Detection


class FleetGuard:
    """Asks for each runtime that this node loses how many others do; more than *share* of them are too many."""

    def __init__(self, losses: FleetLosses, share: float) -> None:
        self._losses = losses
        self._share = share

    async def kept(self, node_id: int, before: Detection, now: Detection) -> Detection:
        """*now* with the verdicts of *before* that this node keeps, by their own definitions from then on."""
        good = {verdict.ref: verdict for verdict in before.verdicts if verdict.status.offered}
        old = {definition.ref: replace(definition, kept="") for definition in before.definitions}
        verdicts = {verdict.ref: verdict for verdict in now.verdicts}
        definitions = {definition.ref: definition for definition in now.definitions}
        lost = [verdict for verdict in now.verdicts if verdict.ref in good and not verdict.status.offered]
        too_many = await self._too_many(node_id, [verdict.ref for verdict in lost])
        for verdict in lost:
            ref, loss = verdict.ref, too_many.get(verdict.ref)
            changed = old.get(ref) != definitions.get(ref)
            if not may_be_kept(verdict, changed) or not _is_there(good[ref]) or (changed and not loss):
                if loss:
                    log.warning(f"✗ Runtime withdrawn from {loss} within minutes: {verdict.name} ({ref})")
                continue
            why = f"the last check could not decide: {verdict.reason}"
            if loss:
                what = "the changed definition" if changed else "the last check"
                why = f"kept by the fleet guard: {loss} would lose it, {what}: {verdict.reason}"
                log.warning(f"! Runtime {verdict.name} ({ref}) {why}")
            reason = good[ref].reason.removesuffix(f"; {good[ref].kept}")
            verdicts[ref] = replace(good[ref], reason=f"{reason}; {why}", kept=why)
            if changed and ref in old:
                definitions[ref] = replace(old[ref], kept=why)
        return replace(now, verdicts=tuple(verdicts.values()), definitions=tuple(definitions.values()))

    async def tell(self, node_id: int, refs: Collection[str]) -> None:
        """Say which of *refs*, that this node does not offer, much of the fleet has lost lately."""
        for ref, loss in (await self._too_many(node_id, refs)).items():
            log.warning(f"✗ Runtime withdrawn from {loss} within minutes: {loss.name} ({ref})")

    async def _too_many(self, node_id: int, refs: Collection[str]) -> dict[str, RuntimeLoss]:
        losses = await self._losses.note_losing(node_id, refs) if refs else ()
        return {loss.ref: loss for loss in losses if loss.exceeds(self._share)}


def _is_there(verdict: Verdict) -> bool:
    return verdict.path is None or os.access(verdict.path, os.X_OK)
