DROP FUNCTION take_jobs;
