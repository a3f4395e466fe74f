# flatbgp, gobgpd and the gobgp command in one image. Each part of a node is one container of it:
#
#   flatbgp gobgpd       the BGP daemon, as any user, without a capability
#   flatbgp speaker      root with NET_ADMIN and NET_RAW alone: it puts addresses on interfaces and reads packets
#   flatbgp controller   as any user, without a capability
#   flatbgp admin        the same
#
# The base images are arguments, so that a company's own copies can stand in. What is built is pinned: GoBGP by its
# version, which Go checks against its checksum database, and Python packages by their hashes.
ARG GO_IMAGE=golang:1.26-trixie
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${GO_IMAGE} AS gobgp
ARG GOBGP_VERSION=4.8.0
ENV CGO_ENABLED=0 GOBIN=/out
RUN go install -trimpath -ldflags "-s -w" \
    github.com/osrg/gobgp/v4/cmd/gobgpd@v${GOBGP_VERSION} \
    github.com/osrg/gobgp/v4/cmd/gobgp@v${GOBGP_VERSION}

# /opt/flatbgp is copied as it is to an image with the same Python, so it has no pip of its own. What is removed are the
# 72 MB that the Kubernetes client generates from the whole API: flatbgp uses its configuration and its transport alone.
FROM ${PYTHON_IMAGE} AS python
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/flatbgp
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN /opt/build/bin/python -m pip install --require-hashes -r requirements/build.txt \
    && /opt/build/bin/python -m pip --python /opt/flatbgp/bin/python install --no-compile --require-hashes -r requirements/runtime.txt \
    && rm -r /opt/flatbgp/lib/python3*/site-packages/kubernetes/client/api \
        /opt/flatbgp/lib/python3*/site-packages/kubernetes/client/models \
        /opt/flatbgp/lib/python3*/site-packages/kubernetes/aio/client/api \
        /opt/flatbgp/lib/python3*/site-packages/kubernetes/aio/client/models
COPY pyproject.toml README.md LICENSE ./
COPY controller controller
COPY generated generated
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheels . \
    && /opt/build/bin/python -m pip --python /opt/flatbgp/bin/python install --no-compile --no-deps --no-index /tmp/wheels/*.whl

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="flatbgp" \
    org.opencontainers.image.description="Flat-mode Kubernetes pod networking over BGP: a control plane around GoBGP" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

# ip and ping are for people: to see a floating IP on its interface, and to reach a router from where the speaker is.
RUN apt-get update \
    && apt-get install -y --no-install-recommends iproute2 iputils-ping \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*

# What the containers of a node or of one machine share belongs to the group 65532, whose members may write it: the
# embedded store's file, and the socket of gobgpd. The speaker is root, but of that group (user 0:65532).
RUN install -d -m 2770 -o 65532 -g 65532 /var/lib/flatbgp /run/flatbgp
COPY --from=gobgp /out/gobgpd /out/gobgp /usr/local/bin/
COPY --from=python /opt/flatbgp /opt/flatbgp
ENV PATH=/opt/flatbgp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    FLATBGP_GOBGP=unix:///run/flatbgp/gobgpd.sock \
    STATE_DIRECTORY=/var/lib/flatbgp

# Byte code of the standard library, of those parts that are used: some base images come without any, and a container
# with a read-only file system would compile them again at every start, also for every health check.
RUN PYTHONDONTWRITEBYTECODE= flatbgp --version \
    && PYTHONDONTWRITEBYTECODE= python3 -c "import flatbgp.roles.admin, flatbgp.roles.controller, flatbgp.roles.gobgpd, flatbgp.roles.speaker.speaker, flatbgp.engine.gobgp, flatbgp.store.kubernetes.store, flatbgp.store.sqlite.store, prometheus_client"

USER 65532:65532
ENTRYPOINT ["flatbgp"]
CMD ["--help"]
# A check costs a third of a second of CPU, most of it for loading gRPC; on a busy machine it may take long.
HEALTHCHECK --interval=10s --timeout=30s --start-period=120s CMD ["flatbgp", "health"]
