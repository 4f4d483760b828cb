"""The requests: (method, path, options). `connect` opens a connection with a consumer on each side. Everything is in the vhost
`http-compare`, and gone at the end."""

V = "http-compare"


def put(path, body=None):
    return ("PUT", path, {"body": {} if body is None else body})


def post(path, body=None):
    return ("POST", path, {"body": {} if body is None else body})


def get(path, **options):
    return ("GET", path, options)


def delete(path, **options):
    return ("DELETE", path, options)


def raw(method, path, body, **headers):
    return (method, path, {"body": body, "headers": headers})


MAKE = [
    put(f"/vhosts/{V}", {"description": "d", "tags": "a,b"}), put(f"/vhosts/{V}"),
    put(f"/permissions/{V}/guest", {"configure": ".*", "write": ".*", "read": ".*"}),
    put("/users/cmp-u", {"password": "x", "tags": "management"}), put("/users/cmp-u", {"password": "x", "tags": "management"}),
    put("/users/cmp-m", {"password": "x", "tags": ["monitoring"]}), put("/users/cmp-p", {"password": "x", "tags": ["policymaker"]}),
    put("/users/cmp-n", {"password": "x", "tags": ""}),
    put("/users/cmp-bad", {"password": "x"}), put("/users/cmp-bad", {"tags": ["monitoring"], "password_hash": "zzz"}),
    put("/users/cmp-bad", {"password": "a", "password_hash": "b", "tags": ""}), put("/users/cmp-bad", {"password_hash": "!!", "tags": ""}),
    put(f"/queues/{V}/q", {"durable": "true", "arguments": {"x-max-length": 5}}),
    put(f"/queues/{V}/q", {"durable": True, "arguments": {"x-max-length": 5}}), put(f"/queues/{V}/q", {"durable": False}),
    put(f"/queues/{V}/consumed", {"durable": True}), put(f"/queues/{V}/qq", {"durable": True, "arguments": {"x-queue-type": "quorum"}}),
    put(f"/queues/{V}/z2", {"durable": "maybe"}), put(f"/queues/{V}/z3", {"arguments": {"x-max-length": -1}}),
    put(f"/queues/{V}/z5", {"arguments": {"x-max-length": "a"}}), put(f"/queues/{V}/z6", {"arguments": {"x-nonsense": 1}}),
    put(f"/queues/{V}/z7", {"auto_delete": True}), put(f"/queues/{V}/z7", {"auto_delete": False}),
    put(f"/queues/{V}/z8", {"arguments": {"x-message-ttl": 1.5}}), put(f"/queues/{V}/z9", {"arguments": {"x-queue-type": "nope"}}),
    put(f"/queues/{V}/amq.z"), put("/queues/none/q"), put(f"/queues/{V}/z4", {"arguments": {"x-expires": 0}}),
    put(f"/exchanges/{V}/x", {"type": "topic", "durable": True}), put(f"/exchanges/{V}/x", {"type": "topic", "durable": True}),
    put(f"/exchanges/{V}/x", {"type": "direct"}), put(f"/exchanges/{V}/y"), put(f"/exchanges/{V}/z", {"type": "nope"}),
    put(f"/exchanges/{V}/amq.z", {"type": "direct"}), put(f"/exchanges/{V}/amq.default", {"type": "direct"}),
    put(f"/exchanges/{V}/i", {"type": "fanout", "internal": True}), put("/exchanges/none/x", {"type": "direct"}),
    post(f"/bindings/{V}/e/x/q/q", {"routing_key": "a.*", "arguments": {"k": 1}}), post(f"/bindings/{V}/e/x/q/q", {"routing_key": "a b/c"}),
    post(f"/bindings/{V}/e/x/q/q"), post(f"/bindings/{V}/e/x/q/none"), post(f"/bindings/{V}/e/none/q/q"),
    post(f"/bindings/{V}/e/amq.fanout/e/x", {"routing_key": ""}), post("/bindings/none/e/x/q/q"),
    put(f"/policies/{V}/p", {"pattern": "^q", "definition": {"max-length": 3}, "priority": 1, "apply-to": "queues"}),
    put(f"/policies/{V}/p", {"pattern": "^q", "definition": {"max-length": 3}, "priority": 1, "apply-to": "queues"}),
    put(f"/policies/{V}/p2", {"pattern": "^q", "definition": {"nonsense": 3}}), put(f"/policies/{V}/p3"),
    put(f"/policies/{V}/p4", {"pattern": "(", "definition": {"max-length": 3}}), put(f"/policies/{V}/p5", {"pattern": "x", "definition": {}}),
    put(f"/policies/{V}/p6", {"pattern": "x", "definition": {"max-length": "a"}}), put("/policies/none/p", {"pattern": "x", "definition": {"max-length": 1}}),
    put(f"/operator-policies/{V}/op", {"pattern": "^q", "definition": {"max-length": 3}, "apply-to": "queues"}),
    put(f"/operator-policies/{V}/op2", {"pattern": "^q", "definition": {"dead-letter-exchange": "x"}}),
    put(f"/vhost-limits/{V}/max-queues", {"value": 100}), put("/user-limits/cmp-u/max-channels", {"value": 100}),
    put(f"/vhost-limits/{V}/max-channels", {"value": 100}), put("/user-limits/cmp-u/max-x", {"value": 100}),
    put(f"/vhost-limits/{V}/max-queues", {"value": "a"}), put(f"/vhost-limits/{V}/max-queues"), put("/vhost-limits/none/max-queues", {"value": 1}),
    put(f"/topic-permissions/{V}/guest", {"exchange": "x", "write": ".*", "read": ".*"}), put(f"/topic-permissions/{V}/guest", {"exchange": "x"}),
    put(f"/topic-permissions/{V}/none", {"exchange": "x", "write": ".*", "read": ".*"}),
    put(f"/parameters/nope/{V}/u", {"value": 1}), put(f"/parameters/federation-upstream/{V}/u", {"value": {"uri": "amqp://x"}}),
    put("/global-parameters/cmp-g", {"value": {"a": 1}}),
    put(f"/permissions/none/guest", {"configure": "", "write": "", "read": ""}), put(f"/permissions/{V}/none", {"configure": "", "write": "", "read": ""}),
    put(f"/permissions/{V}/guest", {"configure": ""}), put(f"/permissions/{V}/guest", {"configure": "(", "write": "", "read": ""}),
    put("/vhosts/cmp-bad", {"default_queue_type": "nope"}), put("/cluster-name"),
]

MESSAGES = [
    post(f"/exchanges/{V}/amq.default/publish", {"routing_key": "consumed", "properties": {"delivery_mode": 2}, "payload": "c", "payload_encoding": "string"}),
    post(f"/exchanges/{V}/x/publish", {"routing_key": "a.b", "properties": {"delivery_mode": 2, "headers": {"h": 1}, "message_id": "m"}, "payload": "hello", "payload_encoding": "string"}),
    post(f"/exchanges/{V}/x/publish", {"routing_key": "zzz", "properties": {}, "payload": "aGk=", "payload_encoding": "base64"}),
    post(f"/exchanges/{V}/x/publish", {"routing_key": "zzz", "properties": [], "payload": "aGk"}),
    post(f"/exchanges/{V}/x/publish", {"routing_key": "a.b", "properties": {"delivery_mode": "two"}, "payload": "a", "payload_encoding": "string"}),
    post(f"/exchanges/{V}/x/publish", {"routing_key": "a.b", "properties": {"message_id": 5}, "payload": "a", "payload_encoding": "string"}),
    post(f"/exchanges/{V}/x/publish", {"routing_key": "a.b", "properties": {}, "payload": 5, "payload_encoding": "string"}),
    post(f"/exchanges/{V}/x/publish", {"routing_key": "a.b", "properties": {"user_id": "nobody"}, "payload": "a", "payload_encoding": "string"}),
    post(f"/exchanges/{V}/i/publish", {"routing_key": "a.b", "properties": {}, "payload": "a", "payload_encoding": "string"}),
    post(f"/exchanges/{V}/nope/publish", {"routing_key": "zzz", "properties": {}, "payload": "aGk=", "payload_encoding": "base64"}),
    post("/exchanges/none/x/publish", {"routing_key": "zzz", "properties": {}, "payload": "aGk=", "payload_encoding": "base64"}),
    post(f"/queues/{V}/q/get", {"count": 5, "ackmode": "ack_requeue_true", "encoding": "auto"}),
    post(f"/queues/{V}/q/get", {"count": "5", "requeue": "true", "encoding": "auto"}),
    post(f"/queues/{V}/q/get", {"count": 5, "ackmode": "ack_requeue_true", "encoding": "base64", "truncate": 2}),
    post(f"/queues/{V}/q/get", {"count": 5}), post(f"/queues/{V}/q/get", {"count": 5, "ackmode": "ack_requeue_true", "encoding": "nope"}),
    post(f"/queues/{V}/nope/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}),
    post(f"/queues/none/q/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}),
]

PATHS = """/overview /cluster-name /nodes /nodes/{node} /nodes/none /nodes/{node}/memory /nodes/{node}/memory/relative /whoami /version /vhosts /vhosts/V /vhosts/none
/vhosts/V/permissions /vhosts/V/topic-permissions /vhosts/V/connections /vhosts/V/channels /vhosts/none/permissions /vhosts/none/connections
/users /users/cmp-u /users/none /users/without-permissions /users/cmp-u/permissions /users/guest/permissions /users/guest/topic-permissions /users/none/permissions
/permissions /permissions/V/guest /permissions/V/nobody /permissions/none/guest /topic-permissions /topic-permissions/V/guest /topic-permissions/V/guest/x /topic-permissions/V/guest/none
/exchanges /exchanges/V /exchanges/V/x /exchanges/V/amq.default /exchanges/V/none /exchanges/none /exchanges/none/x
/exchanges/V/x/bindings/source /exchanges/V/x/bindings/destination /exchanges/V/none/bindings/source
/queues /queues/V /queues/V/q /queues/V/consumed /queues/V/qq /queues/V/none /queues/none /queues/none/x /queues/V/ /queues/detailed?page=1&page_size=1 /queues/V?page=1&page_size=1&name=Q
/queues?page=9 /queues?page=x /queues?page=0 /queues?page=-1 /queues?page=1&page_size=1000 /queues?page=1&page_size=0 /queues?page=1&page_size=x /queues?page=1&use_regex=true&name=(
/queues?page=1&name=nothing /queues?page=1&use_regex=true&name=^Q$ /queues?disable_stats=true /queues?disable_stats=true&enable_queue_totals=true /queues?columns=name,message_stats.publish
/queues?sort=name&sort_reverse=true&columns=name /queues/V/consumed?lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5 /queues/V/q?lengths_age=60 /queues/V/q?lengths_age=6000000&lengths_incr=5
/queues/V/q/bindings /queues/V/none/bindings /queues/none/q/bindings /bindings /bindings/V /bindings/none /bindings/V/e/x/q/q /bindings/V/e/x/q/q/~ /bindings/V/e/x/q/q/nope /bindings/V/e/x/q/none /bindings/V/e/amq.fanout/e/x
/consumers /consumers/V /consumers/none /connections /connections/{connection} /connections/{connection}/channels /connections/none /connections/none/channels /connections/username/guest
/channels /channels/{channel} /channels/none /policies /policies/V /policies/V/p /policies/V/none /policies/none /operator-policies /operator-policies/V /operator-policies/V/op /operator-policies/V/none
/parameters /parameters/policy /parameters/operator_policy /parameters/operator_policy/V /parameters/operator_policy/V/op /parameters/vhost-limits /parameters/nope /parameters/nope/V /parameters/nope/V/u
/global-parameters /global-parameters/cmp-g /global-parameters/none /vhost-limits /vhost-limits/V /vhost-limits/none /user-limits /user-limits/cmp-u /user-limits/none
/definitions /definitions/V /definitions/none /all-configuration /feature-flags /deprecated-features /deprecated-features/used
/health/checks/alarms /health/checks/local-alarms /health/checks/virtual-hosts /health/checks/node-is-quorum-critical /health/checks/certificate-expiration/1/weeks
/health/checks/certificate-expiration/x/weeks /health/checks/certificate-expiration/1/lunch /health/checks/port-listener/{amqp_port} /health/checks/port-listener/1 /health/checks/port-listener/x
/health/checks/protocol-listener/amqp /health/checks/protocol-listener/mqtt /healthchecks/node /healthchecks/node/{node} /healthchecks/node/none /aliveness-test/V /aliveness-test/none
/auth /auth/attempts/{node} /auth/attempts/{node}/source /auth/hash_password/abc /extensions /queues/quorum/V/qq/status /queues/quorum/V/q/status /nope /vhosts/%ff /permissions/V /topic-permissions/V
/queues/V/q/get /login /rebalance/queues""".split()

READ = [get(path.replace("/V", f"/{V}")) for path in PATHS]

# Each kind of user at each of these.
SEEN_BY = ["/whoami", "/overview", "/nodes", "/users", "/vhosts", f"/vhosts/{V}", f"/queues/{V}", f"/queues/{V}/q", "/queues", f"/exchanges/{V}", f"/bindings/{V}",
           "/policies", f"/policies/{V}", f"/operator-policies/{V}", f"/consumers/{V}", "/definitions", f"/definitions/{V}", "/permissions",
           "/parameters", "/global-parameters", "/vhost-limits", "/user-limits", "/feature-flags", "/cluster-name", f"/aliveness-test/{V}", "/health/checks/alarms", "/extensions"]
# Wrong passwords are slowed down: they have a request each.
WRONG = [get("/whoami", user="guest:wrong"), get("/vhosts", user="nobody:x")]
USERS = [None, "cmp-u:x", "cmp-m:x", "cmp-p:x", "cmp-n:x"]
AS_USERS = [get(path, user=user) for user in USERS for path in SEEN_BY]
DONE_BY = [("PUT", f"/queues/{V}/byuser", {}), ("DELETE", f"/queues/{V}/q", None), ("PUT", f"/exchanges/{V}/byuser", {"type": "direct"}), ("DELETE", f"/exchanges/{V}/x", None),
           ("POST", f"/bindings/{V}/e/x/q/q", {"routing_key": "r"}), ("PUT", f"/policies/{V}/byuser", {"pattern": "x", "definition": {"max-length": 1}}), ("DELETE", f"/policies/{V}/none", None),
           ("PUT", f"/operator-policies/{V}/byuser", {"pattern": "x", "definition": {"max-length": 1}}), ("PUT", "/vhosts/byuser", {}), ("DELETE", f"/vhosts/{V}", None),
           ("PUT", "/users/byuser", {"password": "x", "tags": ""}), ("DELETE", "/users/cmp-n", None), ("PUT", f"/permissions/{V}/guest", {"configure": ".*", "write": ".*", "read": ".*"}),
           ("PUT", "/global-parameters/byuser", {"value": 1}), ("PUT", "/cluster-name", {"name": "x"}), ("POST", "/definitions", {}), ("DELETE", f"/queues/{V}/q/contents", None),
           ("POST", f"/queues/{V}/q/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}), ("PUT", "/user-limits/cmp-u/max-channels", {"value": 1}),
           ("POST", f"/exchanges/{V}/x/publish", {"routing_key": "r", "properties": {}, "payload": "x", "payload_encoding": "string"}), ("DELETE", "/connections/none", None)]
ACTS = [(method, path, {"body": body, "user": user}) for user in USERS for method, path, body in DONE_BY]

CONVENTIONS = [
    ("PUT", "/vhosts", {"body": {}}), ("POST", f"/queues/{V}/q", {"body": {}}), ("DELETE", "/whoami"), ("PATCH", "/queues", {"body": {}}), ("OPTIONS", "/queues"),
    ("HEAD", f"/queues/{V}/q"), ("HEAD", f"/queues/{V}/none"),
    raw("PUT", f"/queues/{V}/c", b"{bad"), raw("PUT", f"/queues/{V}/c", b"[]"), raw("PUT", f"/queues/{V}/c", b'"x"'), raw("PUT", f"/queues/{V}/c", b"\xff\xfe"),
    raw("PUT", f"/queues/{V}/c", b""), raw("PUT", f"/queues/{V}/c", b"null"), raw("PUT", f"/queues/{V}/c", b"5"), raw("PUT", f"/queues/{V}/c", b"[" * 5000),
    raw("POST", "/definitions", b"{bad"), raw("POST", "/definitions", b'{"queues": 5}'), raw("POST", "/definitions", b"{}"), raw("POST", f"/definitions/{V}", b"{}"),
    raw("POST", "/login", b"username=guest&password=guest", **{"content-type": "application/x-www-form-urlencoded"}),
    raw("POST", "/login", b"username=guest&password=x", **{"content-type": "application/x-www-form-urlencoded"}),
]

END = [
    ("POST", f"/queues/{V}/q/actions", {"body": {"action": "sync"}}), ("POST", f"/queues/{V}/none/actions", {"body": {"action": "sync"}}), ("POST", f"/queues/{V}/q/actions", {"body": {}}),
    delete(f"/exchanges/{V}/x?if-unused=true"), delete(f"/queues/{V}/q?if-empty=true"), delete(f"/queues/{V}/consumed?if-unused=true"), delete(f"/exchanges/{V}/amq.topic"), delete(f"/exchanges/{V}/amq.default"),
    delete(f"/bindings/{V}/e/x/q/q/~"), delete(f"/bindings/{V}/e/x/q/q/~"), delete(f"/bindings/{V}/e/x/q/q/nope"), delete(f"/bindings/{V}/e/none/q/q/~"),
    delete(f"/queues/{V}/q/contents"), delete(f"/queues/{V}/none/contents"), delete(f"/queues/{V}/q"), delete(f"/queues/{V}/q"), delete(f"/exchanges/{V}/x"), delete(f"/exchanges/{V}/x"),
    delete(f"/policies/{V}/p"), delete(f"/policies/{V}/p"), delete(f"/operator-policies/{V}/op"), delete(f"/operator-policies/{V}/op"),
    delete(f"/vhost-limits/{V}/max-queues"), delete(f"/vhost-limits/{V}/nope"), delete("/user-limits/cmp-u/max-channels"), delete("/user-limits/none/max-channels"),
    delete(f"/topic-permissions/{V}/guest"), delete(f"/topic-permissions/{V}/guest"), delete("/global-parameters/cmp-g"), delete("/global-parameters/cmp-g"), delete(f"/parameters/nope/{V}/u"),
    delete(f"/permissions/{V}/none"), delete("/connections/none"), delete("/connections/{connection}"), delete("/connections/username/nobody"),
    post("/users/bulk-delete"), post("/users/bulk-delete", {"users": ["cmp-m", "cmp-p"]}), delete("/users/none"), delete("/users/cmp-u"), delete("/users/cmp-u"), delete("/users/cmp-n"), delete("/global-parameters/byuser"), delete("/vhosts/cmp-bad"),
    post(f"/vhosts/{V}/deletion/protection"), delete(f"/vhosts/{V}"), delete(f"/vhosts/{V}/deletion/protection"), post("/rebalance/queues"), delete("/reset"),
    delete(f"/vhosts/{V}"), delete(f"/vhosts/{V}"),
]

STEPS = MAKE + MESSAGES + ["connect"] + READ + WRONG + AS_USERS + ACTS + CONVENTIONS + END
