"""The site of the tests in a process of its own, whose memory can be measured."""
