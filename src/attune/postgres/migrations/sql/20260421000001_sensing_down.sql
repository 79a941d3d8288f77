-- Which node runs which sensor, and what its timers remember.
SELECT 1;
