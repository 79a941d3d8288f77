-- The commands stay: earlier versions read them too.
SELECT;
