DROP TRIGGER announce_sensing ON pack;
DROP TRIGGER announce_sensing ON sensor;
DROP FUNCTION announce_sensing();
DROP TABLE sensor_position;
DROP TABLE sensor_journal;
DROP TABLE sensor_lease;
