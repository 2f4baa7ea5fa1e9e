# Raconteur alone in an image: one static binary, the certificates that it trusts, and a volume for conversations. docs/installation.md says
# how it is run.
#
#   docker build --tag raconteur --build-arg BUILD_COMMIT="$(git rev-parse --short HEAD)" .

FROM rust:1.95-alpine AS build
RUN apk add --no-cache ca-certificates gcc make musl-dev
WORKDIR /src
COPY . .
ARG BUILD_COMMIT=""
# What a backtrace needs stays in; what only a debugger needs goes. Systems on ARM have pages of up to 64 KiB.
ENV CARGO_PROFILE_DIST_STRIP=debuginfo
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi; \
    cargo build --profile dist --locked --bin raconteur \
    && install -D -m 0755 target/dist/raconteur /image/usr/local/bin/raconteur \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && install -d -m 0700 /volume/data

FROM scratch
COPY --from=build /image/ /
COPY --from=build --chown=10001:10001 /volume/ /
# A configuration is found here when one is mounted as /etc/raconteur/raconteur.toml; without one the demo's holds.
WORKDIR /etc/raconteur
ENV RACONTEUR_SERVER__LISTEN=0.0.0.0:8080
ENV RACONTEUR_STORE__PATH=/data/store
USER 10001:10001
VOLUME /data
EXPOSE 8080
# SIGTERM lets open turns finish for drain_timeout, 30 s: give it longer than Docker's own 10 s (--stop-timeout 45).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/raconteur", "health"]
ENTRYPOINT ["/usr/local/bin/raconteur"]
CMD ["serve"]
