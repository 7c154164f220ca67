"""Whether there is a network, found out in bounded time."""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import threading
import urllib.request
from urllib.parse import SplitResult, unquote, urlsplit

_BARRED_BY_PROXY = frozenset({403, 407, 502, 503, 504})


def offline() -> bool:
    """Whether ZOO_OFFLINE forbids the network."""
    return os.environ.get("ZOO_OFFLINE", "0").strip() not in ("", "0")


def network_reachable(url: str, timeout: float = 5.0) -> bool:
    """Whether the http or https host of `url` answers within `timeout` seconds in all.

    Any HTTP answer counts, but for one by which a proxy says that it will not or cannot. Proxy
    variables are heeded. A name server that hangs cannot hold this up: the attempt runs in a
    thread that is left behind.
    """
    if offline():
        return False
    answers: list[bool] = []

    def ask() -> None:
        try:
            answers.append(_answers(urlsplit(url), timeout))
        except (OSError, http.client.HTTPException, ValueError):
            answers.append(False)

    thread = threading.Thread(target=ask, daemon=True, name="zoo-reach")
    thread.start()
    thread.join(timeout)
    return bool(answers and answers[0])


def _answers(url: SplitResult, timeout: float) -> bool:
    host = url.hostname
    if not host or url.scheme not in ("http", "https"):
        raise ValueError(f"no http address: {url.geturl()}")
    proxy = _proxy(url.scheme, url.netloc.rpartition("@")[2])
    connection, path = _connection(url, host, proxy, timeout)
    try:
        headers = _authorization(proxy) if proxy and url.scheme == "http" else {}
        connection.request("HEAD", path, headers={"User-Agent": "zoo", **headers})
        status = connection.getresponse().status
    finally:
        connection.close()
    return not (proxy and status in _BARRED_BY_PROXY)


def _connection(
    url: SplitResult, host: str, proxy: SplitResult | None, timeout: float
) -> tuple[http.client.HTTPConnection, str]:
    path = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
    at, port = (proxy.hostname or "", proxy.port or 80) if proxy else (host, url.port)
    if url.scheme == "http":
        connection = http.client.HTTPConnection(at, port, timeout=timeout)
        return connection, url.geturl() if proxy else path
    # Only whether somebody answers is asked here, so certificates do not matter.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    secure = http.client.HTTPSConnection(at, port, timeout=timeout, context=context)
    if proxy:
        secure.set_tunnel(host, url.port or 443, headers=_authorization(proxy))
    return secure, path


def _proxy(scheme: str, netloc: str) -> SplitResult | None:
    address = urllib.request.getproxies().get(scheme)
    if not address or urllib.request.proxy_bypass(netloc):
        return None
    return urlsplit(address if "://" in address else f"http://{address}")


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
