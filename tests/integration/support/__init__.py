"""What integration tests share: networks of their own, real daemons, pings and captures.

Everything a test makes is inside namespaces whose names begin with a prefix of its own, so that several tests run at
the same time; see :mod:`support.sandbox`.
"""
