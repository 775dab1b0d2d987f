# The server, in an image without a tool chain. Build: docker build --tag flash-sale .
# (BuildKit, the default since Docker 23; before that DOCKER_BUILDKIT=1.)

# Both stages are of one distribution, for one C library; the version is that of
# rust-toolchain.toml.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The cache mounts keep downloads and compiled dependencies between builds; they are no
# part of the image, hence the copy.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin server \
    && cp target/release/server /usr/local/bin/server

# No minor version: a build takes the newest security fixes of its distribution.
FROM debian:bookworm-slim
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/flash-sale/
COPY --from=build /usr/local/bin/server /usr/local/bin/server
# Whom to trust where DATABASE_URL says sslmode=verify-full.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# Any user without rights will do: the server writes no files.
USER 10001:10001
# The default is loopback, which nobody outside the container can reach.
ENV LISTEN=0.0.0.0:8080
EXPOSE 8080
# Green while a purchase could succeed. There is no HTTP client in the image; bash can open a
# connection itself, to the port that the server was told.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD \
    ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${LISTEN##*:} && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r answer <&3 && [[ $answer == 'HTTP/1.1 200'* ]]"]
ENTRYPOINT ["server"]
CMD ["--strategy", "engine"]
