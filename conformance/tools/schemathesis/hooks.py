"""What the document cannot tell schemathesis."""

import schemathesis


@schemathesis.hook
def filter_query(context, query):
    """With `columns` an answer lacks what its schema requires: that is what it is for."""
    return not query or "columns" not in query


@schemathesis.serializer("application/x-ndjson", "text/event-stream")
def lines(context, value):
    return value if isinstance(value, bytes) else str(value).encode()
