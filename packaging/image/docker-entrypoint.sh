#!/bin/sh
# The entry point, as RabbitMQ's image has it: what is in the volume is the broker's, which does not run as root.
set -eu

if [ "$(id -u)" = 0 ]; then
  case "${1:-}" in
  rabbitmq-server | coney)
    # A volume that somebody else made. On a read-only file system it is for its owner to see to.
    find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq:rabbitmq {} + 2>/dev/null || true
    exec gosu rabbitmq "$0" "$@"
    ;;
  esac
fi
exec "$@"
