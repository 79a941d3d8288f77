DROP VIEW connected_node;
DROP VIEW node;
