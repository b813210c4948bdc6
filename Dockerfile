# Two stages: what builds, and what runs. The image holds the program, the certificates for TLS to Postgres, and no shell.
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
COPY build.rs Cargo.toml Cargo.lock ./
COPY crates crates
COPY migrations migrations
COPY src src
RUN cargo build --release --locked

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/credenza /usr/local/bin/credenza
EXPOSE 8080 8081
ENTRYPOINT ["/usr/local/bin/credenza"]
CMD ["serve"]
