"""Asks an application of FastAPI through its test client."""

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel


class City(BaseModel):
    name: str
    people: int


app = FastAPI()


@app.get("/cities/{name}")
def city(name: str, people: int = 100) -> City:
    return City(name=name, people=people)


client = TestClient(app)
print(client.get("/cities/Oulu", params={"people": 210}).json())
print(client.get("/cities/Oulu", params={"people": "many"}).status_code)
