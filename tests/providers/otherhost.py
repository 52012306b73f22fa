"""What is meant for graph.facebook.com goes to the emulator: the whole shim that pywa needs."""

import httpx


class OtherHost(httpx.HTTPTransport):
    """For clients that block."""

    def __init__(self, base_url: str) -> None:
        super().__init__(verify=False)  # plain HTTP: no certificates to load
        self._base = httpx.URL(base_url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme=self._base.scheme, host=self._base.host, port=self._base.port)
        return super().handle_request(request)
