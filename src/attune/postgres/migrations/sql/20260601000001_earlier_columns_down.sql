DO $undo$
DECLARE
    change text;
BEGIN
    FOR change IN SELECT old #>> '{}' FROM migration_original WHERE table_name = 'earlier_columns' ORDER BY row_id DESC LOOP
        EXECUTE change;
    END LOOP;
    DELETE FROM migration_original WHERE table_name = 'earlier_columns';
END;
$undo$;
