"""This machine: finding commands and running them so that none can harm, hang or outlive its check."""
