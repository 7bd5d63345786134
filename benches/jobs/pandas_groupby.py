"""Groups a table with pandas."""

import pandas

cities = pandas.DataFrame(
    {"country": ["fi", "se", "fi", "se"], "name": ["Turku", "Umea", "Oulu", "Lund"], "people": [195, 90, 210, 94]}
)
print(cities.groupby("country")["people"].agg(["sum", "max"]))
