"""Every change of an execution, of its place in the queue, of who reads which queue, and of limits, as it happened."""

from __future__ import annotations

import psycopg

from history_laws import HistoryEntry
from waiting import rows

RECORD = """
    CREATE TABLE history (number bigserial PRIMARY KEY, kind text, execution bigint, attempt integer, before text,
        after text, worker text, action text, queue text, priority integer, "limit" integer, rule text,
        at timestamptz DEFAULT clock_timestamp());
    CREATE FUNCTION record_execution() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF OLD.status IS DISTINCT FROM NEW.status OR OLD.priority IS DISTINCT FROM NEW.priority THEN
            INSERT INTO public.history (kind, execution, attempt, before, after, worker, action, queue, priority, rule,
                at)
            VALUES ('execution', NEW.id, NEW.attempt, OLD.status, NEW.status, NEW.worker_name, NEW.action_ref,
                NEW.queue, NEW.priority, (SELECT f.rule_ref FROM public.enforcement AS f WHERE f.id = NEW.enforcement),
                CASE WHEN TG_OP = 'INSERT' THEN NEW.created ELSE clock_timestamp() END);
        END IF;
        RETURN NULL;
    END;
    $$;
    CREATE TRIGGER record_execution AFTER INSERT OR UPDATE ON execution
        FOR EACH ROW EXECUTE FUNCTION record_execution();
    CREATE FUNCTION record_job() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF OLD.status IS DISTINCT FROM NEW.status THEN
            INSERT INTO public.history (kind, execution, before, after, queue)
            VALUES ('job', (coalesce(NEW.args, OLD.args) ->> 'execution')::bigint, OLD.status, NEW.status,
                coalesce(NEW.queue_name, OLD.queue_name));
        END IF;
        RETURN NULL;
    END;
    $$;
    CREATE TRIGGER record_job AFTER INSERT OR UPDATE OR DELETE ON procrastinate_jobs
        FOR EACH ROW EXECUTE FUNCTION record_job();
    CREATE FUNCTION record_reads() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO public.history (kind, worker, queue, after)
        SELECT 'reads', w.name, coalesce(NEW.queue, OLD.queue), CASE WHEN NEW IS NOT NULL THEN 'reads' END
        FROM public.worker AS w WHERE w.id = coalesce(NEW.worker, OLD.worker);
        RETURN NULL;
    END;
    $$;
    CREATE TRIGGER record_reads AFTER INSERT OR DELETE ON worker_class
        FOR EACH ROW EXECUTE FUNCTION record_reads();
    CREATE FUNCTION record_limit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF OLD.concurrency IS DISTINCT FROM NEW.concurrency THEN
            INSERT INTO public.history (kind, action, "limit") VALUES ('limit', NEW.ref, NEW.concurrency);
        END IF;
        RETURN NULL;
    END;
    $$;
    CREATE TRIGGER record_limit AFTER INSERT OR UPDATE ON action FOR EACH ROW EXECUTE FUNCTION record_limit();
"""
_READ = """
    SELECT number, kind, extract(epoch FROM at)::float8, execution, before, after, worker, action, queue, priority,
           "limit", rule, attempt
    FROM history ORDER BY number
"""


def begin_record(url: str) -> None:
    """Record from now on what happens on the database at *url*."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(RECORD.encode())


def recorded(url: str) -> list[HistoryEntry]:
    """What has happened since."""
    return [HistoryEntry(*row) for row in rows(url, _READ)]
