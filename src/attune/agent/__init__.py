"""The program that runs on every machine of the fleet, as worker or as sensor."""
