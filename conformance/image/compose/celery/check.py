"""Orders are charged, and Flower shows the queue."""

import time
import urllib.error
import urllib.request

from shop import charge

WAIT_S = 60


def main():
    results = [charge.delay(cents) for cents in range(20)]
    got = [result.get(timeout=WAIT_S) for result in results]
    if got != [f"charged {cents}" for cents in range(20)]:
        raise AssertionError(got)
    end = time.monotonic() + WAIT_S
    page = ""
    while "celery" not in page:
        try:
            page = urllib.request.urlopen("http://flower:5555/broker", timeout=5).read().decode()
            page = page[page.index("<tbody"):]
        except (urllib.error.URLError, ConnectionError, ValueError) as error:
            page = ""
            if time.monotonic() > end:
                raise AssertionError("Flower shows no queue") from error
        time.sleep(0.2)
    print("20 tasks with a retry each, and Flower's broker tab")


if __name__ == "__main__":
    main()
