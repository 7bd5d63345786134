"""Gets a page with httpx; a mock transport answers."""

import httpx


def answer(request):
    return httpx.Response(200, json={"path": request.url.path, "query": dict(request.url.params)})


with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://testserver") as client:
    page = client.get("/cities", params={"people": "100"})
print(page.status_code, page.json())
