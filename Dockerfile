# The worker: one static program on an image without a shell.
#
#   docker build --target worker --build-arg VERSION=1.2.3 -t sweetspot/worker:1.2.3 .
#
# It writes nothing to its file system, so it runs with --read-only, and takes
# its whole configuration from SWEET_ variables.

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
# The modules change less often than the source: a layer of their own.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS=linux
ARG TARGETARCH=amd64
ARG VERSION=dev
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/worker ./cmd/worker

FROM gcr.io/distroless/static-debian12:nonroot AS worker
ARG VERSION=dev
LABEL org.opencontainers.image.title="sweetspot worker" \
      org.opencontainers.image.description="Classifies text from Kafka by staged early exit and publishes to NATS JetStream" \
      org.opencontainers.image.version=$VERSION
COPY --from=build /out/worker /worker
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
# No STOPSIGNAL: the worker drains on SIGTERM, the default. Give it more than SWEET_DRAIN before SIGKILL.
ENTRYPOINT ["/worker"]
