# FRR as Debian packages it, for the routers of the lab (docker-compose.yaml): no other registry is needed for them.
ARG DEBIAN_IMAGE=debian:trixie-slim
FROM ${DEBIAN_IMAGE}
LABEL org.opencontainers.image.title="flatbgp-lab-frr" \
    org.opencontainers.image.description="FRR (Debian's package) as a router of flatbgp's lab"
RUN apt-get update \
    && apt-get install -y --no-install-recommends frr iputils-ping \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/apt \
    && sed -i 's/^bgpd=no/bgpd=yes/' /etc/frr/daemons \
    && install -d -o frr -g frr -m 755 /run/frr \
    && ln -sf /lab/frr.conf /etc/frr/frr.conf

# The lab puts the router's configuration there: see the service "setup" in docker-compose.yaml.
VOLUME /lab
ENTRYPOINT ["/usr/lib/frr/watchfrr", "mgmtd", "zebra", "bgpd", "staticd"]

# Healthy is a router all of whose sessions are Established. Before that, on a busy machine: FRR reads its configuration
# when its daemons have been started, which may be before staticd takes it (seen with 10.3: no static route at all, so
# that the racks did not reach each other). Then it is read again, which changes nothing that is there already.
HEALTHCHECK --interval=2s --timeout=30s --start-period=120s CMD \
    vtysh -c "show ip route static" | grep -q "^S" || vtysh -b; \
    vtysh -c "show bgp ipv4 unicast summary json" | grep -q '"failedPeers":0'
