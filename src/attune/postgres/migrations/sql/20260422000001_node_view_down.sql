DROP VIEW node;
