# The server, in an image without a tool chain. Build: docker build --tag flash-sale .

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The cache mounts keep downloads and compiled dependencies between builds; they are no
# part of the image, hence the copy.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin server \
    && cp target/release/server /usr/local/bin/server

FROM debian:bookworm-slim
COPY --from=build /usr/local/bin/server /usr/local/bin/server
# Any user without rights will do: the server writes no files.
USER 10001:10001
# The default is loopback, which nobody outside the container can reach.
ENV LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["server"]
CMD ["--strategy", "engine"]
