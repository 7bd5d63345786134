"""Validates data with pydantic, right and wrong."""

from datetime import date

from pydantic import BaseModel, Field, ValidationError


class City(BaseModel):
    name: str
    people: int = Field(gt=0)
    founded: date | None = None


print(City.model_validate_json('{"name": "Oulu", "people": "210", "founded": "1605-04-08"}'))
try:
    City(name="Oulu", people=0)
except ValidationError as error:
    print(error.error_count(), error.errors()[0]["type"])
