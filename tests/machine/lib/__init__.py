"""What the machine tests share: a host under test (host.py), what its guests say (guest.py), and the order of a test
program (steps.py). tools/demo.py uses it too.
"""
