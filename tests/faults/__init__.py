"""What breaks: each fault is caused for real, and has the outcome that docs/faults.rst states."""
