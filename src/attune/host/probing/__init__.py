"""Runs checks on this host so that none can harm, hang or outlive its time."""
