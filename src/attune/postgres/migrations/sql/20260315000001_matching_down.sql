DROP TRIGGER follow_worker_status ON worker;
DROP FUNCTION follow_worker_status();
DROP VIEW worker_offer;
DROP TABLE worker_load;
DROP TABLE worker_capability;
DROP TABLE capability;
