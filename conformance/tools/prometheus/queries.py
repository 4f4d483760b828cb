"""Asks a Prometheus what dashboards ask it, until each query has an answer: what RabbitMQ's Overview dashboard asks for, and every
query of our own dashboard.

    queries.py PROMETHEUS-URL DASHBOARD.json
"""
import json
import re
import sys
import time
import urllib.parse
import urllib.request

PATIENCE_S = 60

# The series behind RabbitMQ's Overview dashboard. It joins each with rabbitmq_identity_info to choose a cluster, and takes rates
# of counters.
GAUGES = """
rabbitmq_queue_messages_ready rabbitmq_queue_messages_unacked rabbitmq_queue_messages
rabbitmq_connections rabbitmq_channels rabbitmq_consumers rabbitmq_queues
rabbitmq_global_publishers rabbitmq_global_consumers
rabbitmq_process_open_fds rabbitmq_process_max_fds rabbitmq_process_resident_memory_bytes rabbitmq_resident_memory_limit_bytes
rabbitmq_disk_space_available_bytes rabbitmq_disk_space_available_limit_bytes rabbitmq_erlang_uptime_seconds
rabbitmq_alarms_memory_used_watermark rabbitmq_alarms_free_disk_space_watermark rabbitmq_unreachable_cluster_peers_count
""".split()
COUNTERS = """
rabbitmq_connections_opened_total rabbitmq_connections_closed_total rabbitmq_channels_opened_total rabbitmq_channels_closed_total
rabbitmq_queues_declared_total rabbitmq_queues_created_total rabbitmq_queues_deleted_total
rabbitmq_global_messages_received_total rabbitmq_global_messages_received_confirm_total rabbitmq_global_messages_routed_total
rabbitmq_global_messages_confirmed_total rabbitmq_global_messages_unroutable_dropped_total
rabbitmq_global_messages_unroutable_returned_total rabbitmq_global_messages_delivered_total
rabbitmq_global_messages_delivered_consume_manual_ack_total rabbitmq_global_messages_delivered_consume_auto_ack_total
rabbitmq_global_messages_delivered_get_manual_ack_total rabbitmq_global_messages_delivered_get_auto_ack_total
rabbitmq_global_messages_get_empty_total rabbitmq_global_messages_redelivered_total rabbitmq_global_messages_acknowledged_total
rabbitmq_global_messages_dead_lettered_maxlen_total rabbitmq_global_messages_dead_lettered_expired_total
rabbitmq_global_messages_dead_lettered_rejected_total rabbitmq_global_messages_dead_lettered_delivery_limit_total
rabbitmq_io_write_ops_total rabbitmq_io_write_bytes_total rabbitmq_io_sync_ops_total
rabbitmq_auth_attempts_total rabbitmq_auth_attempts_succeeded_total rabbitmq_auth_attempts_failed_total
""".split()
JOIN = 'on(instance, job) group_left(rabbitmq_cluster, rabbitmq_node) rabbitmq_identity_info{%s}'
IDENTITY = 'rabbitmq_cluster=~".+", namespace="", rabbitmq_endpoint="aggregated"'
# Whatever else it does: with the values that these must have under this load, as a condition.
BUSY = """
rabbitmq_global_messages_received_total rabbitmq_global_messages_received_confirm_total rabbitmq_global_messages_routed_total
rabbitmq_global_messages_confirmed_total rabbitmq_global_messages_unroutable_dropped_total
rabbitmq_global_messages_unroutable_returned_total rabbitmq_global_messages_delivered_total
rabbitmq_global_messages_delivered_consume_manual_ack_total rabbitmq_global_messages_acknowledged_total
rabbitmq_io_write_bytes_total rabbitmq_io_sync_ops_total
""".split()


def overview():
    join = JOIN % IDENTITY
    for name in GAUGES:
        yield f"sum({name} * {join})"
    for name in COUNTERS:
        yield f"sum(rate({name}[10s]) * {join})"
    for name in BUSY:
        yield f"sum(rate({name}[10s]) * {join}) > 0"
    yield f"sum by (le) (increase(rabbitmq_message_size_bytes_bucket[10s]) * {join})"
    yield "rabbitmq_build_info * on(instance, job) group_left(rabbitmq_node) rabbitmq_identity_info{%s}" % IDENTITY
    yield (
        "rabbitmq_erlang_uptime_seconds * on(instance, job) group_left(rabbitmq_version, erlang_version)"
        " rabbitmq_build_info"
    )
    yield (
        f"(sum(rabbitmq_resident_memory_limit_bytes * {join}) by (rabbitmq_node)"
        f" - sum(rabbitmq_process_resident_memory_bytes * {join}) by (rabbitmq_node)) > 0"
    )


def of_dashboard(path):
    with open(path, encoding="utf-8") as file:
        dashboard = json.load(file)
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield re.sub(r"\$__rate_interval", "10s", target["expr"]).replace("$instance", ".*")


def ask(prometheus, query):
    url = f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def answered(prometheus, query):
    try:
        return bool(ask(prometheus, query))
    except urllib.error.HTTPError as error:
        sys.exit(f"{query}: {error.read().decode()}")
    except OSError:
        return False


def main(prometheus, dashboard):
    queries = [*overview(), *of_dashboard(dashboard)]
    missing, end = queries, time.monotonic() + PATIENCE_S
    while missing and time.monotonic() < end:
        time.sleep(0.5)
        missing = [query for query in missing if not answered(prometheus, query)]
    for query in missing:
        print(f"no data: {query}", file=sys.stderr)
    print(f"{len(queries) - len(missing)} of {len(queries)} queries have an answer")
    sys.exit(1 if missing else 0)


main(*sys.argv[1:])
