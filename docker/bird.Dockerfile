# BIRD 2 as Debian packages it, for the routers of the lab in FRR's place (docker-compose.bird.yaml).
ARG DEBIAN_IMAGE=debian:trixie-slim
FROM ${DEBIAN_IMAGE}
LABEL org.opencontainers.image.title="flatbgp-lab-bird" \
    org.opencontainers.image.description="BIRD (Debian's package) as a router of flatbgp's lab"
RUN apt-get update \
    && apt-get install -y --no-install-recommends bird2 iputils-ping \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/apt \
    && install -d /run/bird

# The lab puts the router's configuration there: see the service "setup" in docker-compose.yaml.
VOLUME /lab
ENTRYPOINT ["bird", "-f", "-c", "/lab/bird.conf", "-s", "/run/bird/bird.ctl", "-P", "/run/bird/bird.pid"]

# Healthy is a router all of whose sessions are Established.
HEALTHCHECK --interval=2s --timeout=30s --start-period=120s \
    CMD birdc show protocols | awk '/ BGP / { all++; up += /Established/ } END { exit !all || up < all }'
