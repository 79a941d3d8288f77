DROP TABLE fleet_watch;
