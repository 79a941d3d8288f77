"""Register this host as a worker, and match on the fleet in the database that `DATABASE_URL` names."""

import asyncio
import os

from psycopg_pool import AsyncConnectionPool

from attune import Requirement, RuntimeDetector, WorkerRegistration, load_fleet, load_settings, match


async def main() -> None:
    async with AsyncConnectionPool(os.environ["DATABASE_URL"], kwargs={"autocommit": True}) as pool:
        settings = load_settings()
        detector = RuntimeDetector(pool)
        offer = await detector.detect_capabilities(settings, "ATTUNE_WORKER_RUNTIMES", settings.worker.capabilities)
        print(offer["runtimes"])
        registration = WorkerRegistration(pool, settings, name="example")
        await registration.register()
        placement = match(Requirement.parse("shell"), await load_fleet(pool, role="worker"))
        print([candidate.node.name for candidate in placement.eligible])
        await registration.deregister()


asyncio.run(main())
