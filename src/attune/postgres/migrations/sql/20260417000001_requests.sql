-- What the API asks of a node, and the changes that its stream tells.
SELECT 1;
