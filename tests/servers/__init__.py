"""
Real stores, started for the tests and for the demo and gone afterwards.

``python -m tests.servers.ceph`` runs one until interrupted, ``python -m tests.servers.ceph --
COMMAND`` runs a command beside it; ``in_background("tests.servers.ceph")`` is the fixtures' way.
``tests.servers.postgresql`` is a database, and used in the same ways.
"""
