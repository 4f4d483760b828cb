# syntax=docker/dockerfile:1
# Coney's image, built within Docker: docker build -t coney .
# packaging/image/build.sh builds the same without pulling an image; it takes what follows the last COPY from here.
ARG BUILDER=rust:1-bookworm
FROM ${BUILDER} AS build
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN packaging/image/rootfs.sh /rootfs "$(packaging/static.sh)" /usr/bin/busybox

FROM scratch
COPY --from=build /rootfs /
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/bin \
    HOME=/var/lib/rabbitmq \
    LANG=C.UTF-8 \
    RABBITMQ_DATA_DIR=/var/lib/rabbitmq \
    RABBITMQ_HOME=/opt/rabbitmq \
    CONEY_CONFIG=/etc/coney.toml
LABEL org.opencontainers.image.title="Coney" \
      org.opencontainers.image.description="An AMQP 0-9-1 broker that RabbitMQ clients and tools use unchanged" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT" \
      org.springframework.boot.service-connection="rabbitmq"
VOLUME /var/lib/rabbitmq
EXPOSE 4369 5671 5672 15671 15672 15691 15692 25672
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["rabbitmq-server"]
