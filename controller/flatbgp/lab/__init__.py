"""The guide's network on one machine: network namespaces, FRR routers, a gobgpd and a speaker for each node."""
