# One image, one binary. Build: docker build -t portico .   Run: see README.md, "In a container".
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist -p portico && cp target/dist/portico /portico

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --home-dir /var/lib/portico portico
COPY --from=build /portico /usr/local/bin/portico
USER 10001
WORKDIR /var/lib/portico
# The only folder that is written to; everything else may be read-only.
VOLUME /var/lib/portico
EXPOSE 8080
# The admin API stays on loopback inside the container unless the configuration says otherwise.
ENV PORTICO_SERVER__LISTEN=0.0.0.0:8080 PORTICO_STORE__PATH=/var/lib/portico/data PORTICO_LOG__FORMAT=json
HEALTHCHECK --interval=10s --timeout=3s CMD ["portico", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["portico"]
CMD ["serve", "--config", "/etc/portico/portico.toml"]
