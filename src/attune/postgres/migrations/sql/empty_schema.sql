-- What removes all of Attune's from the schema {0}, for psql; what belongs to extensions stays.
SELECT format('DROP %s IF EXISTS %s.%I CASCADE', kind, relnamespace::regnamespace, relname)
FROM pg_class AS o JOIN (VALUES ('r', 'TABLE'), ('v', 'VIEW'), ('S', 'SEQUENCE'), ('c', 'TYPE')) AS k (letter, kind)
    ON letter = relkind::text
WHERE relnamespace = to_regnamespace('"{0}"') AND NOT EXISTS (
    SELECT FROM pg_depend AS d WHERE d.objid = o.oid AND d.deptype = 'e') ORDER BY relkind <> 'r' \gexec
SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure)
FROM pg_proc AS o WHERE pronamespace = to_regnamespace('"{0}"') AND NOT EXISTS (
    SELECT FROM pg_depend AS d WHERE d.objid = o.oid AND d.deptype = 'e') \gexec
SELECT format('DROP TYPE IF EXISTS %s CASCADE', oid::regtype)
FROM pg_type AS o WHERE typnamespace = to_regnamespace('"{0}"') AND typtype IN ('e', 'd') AND NOT EXISTS (
    SELECT FROM pg_depend AS d WHERE d.objid = o.oid AND d.deptype = 'e') \gexec
