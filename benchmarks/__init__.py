"""What uploads cost, side by side with the peers: ``make bench``."""
