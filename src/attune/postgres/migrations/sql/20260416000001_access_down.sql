-- Tokens that open the API, and a record of who did what.
SELECT 1;
