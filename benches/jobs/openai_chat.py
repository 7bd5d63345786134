"""Asks a chat model with the openai client; a mock transport answers."""

import httpx2 as httpx
from openai import DefaultHttpxClient, OpenAI

ANSWER = {
    "id": "chat-1",
    "object": "chat.completion",
    "created": 0,
    "model": "small",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Good morning."}}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
}

transport = httpx.MockTransport(lambda request: httpx.Response(200, json=ANSWER))
client = OpenAI(api_key="none", base_url="http://testserver/v1", http_client=DefaultHttpxClient(transport=transport))
chat = client.chat.completions.create(model="small", messages=[{"role": "user", "content": "Good morning?"}])
print(chat.choices[0].message.content, chat.usage.total_tokens)
